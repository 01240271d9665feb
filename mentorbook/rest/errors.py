"""From a refusal, or from input that fits no schema, to the JSON that every operation answers with."""

import datetime as dt
import enum
import json

from django.core.exceptions import NON_FIELD_ERRORS
from django.core.exceptions import ValidationError as ModelValidationError
from django.http import Http404
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, Throttled, ValidationError
from ninja.parser import Parser

from mentorbook.errors import Refused

# What a field of a form or an action is called in the API, where it has another name there.
FIELDS = {
    "starts_at": "start_time",
    "duration_minutes": "end_time",
    "group": "project_group_id",
    "ticket": "ticket_id",
    "weeks": "repeat_weekly",
    "hourly_rate_points": "hourly_rate",
    "expertise": "expertise_areas",
    "text": "body",
    "password1": "password",
}


class StrictParser(Parser):
    """JSON as the standard says (RFC 8259): no NaN or Infinity, and no nesting that ends the process."""

    def parse_body(self, request):
        try:
            return json.loads(request.body, parse_constant=_refuse_constant)
        except RecursionError as error:
            raise ValueError("nested too deeply") from error


def _refuse_constant(name):
    raise ValueError(f"{name} is no JSON")


def answer(api, request, *, status, detail, code, field=None, **facts):
    return api.create_response(request, {**facts, "detail": detail, "code": code, "field": field}, status=status)


def plain(value):
    """`value` as JSON can say it; raises TypeError for a row or anything else that is not for programs."""
    if value is None or (isinstance(value, (bool, int, float, str)) and not isinstance(value, enum.Enum)):
        return value
    if isinstance(value, enum.Enum):
        return value.value if isinstance(value.value, str) else value.name
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, dt.date):
        return value.isoformat()
    if hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, dict):
        return {FIELDS.get(key, key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    raise TypeError(f"{type(value).__name__} is not for programs")


def plain_facts(facts):
    """Those facts of a refusal that a program can be told; rows are left out."""
    told = {}
    for name, value in facts.items():
        try:
            told[FIELDS.get(name, name)] = plain(value)
        except TypeError:
            continue
    return told


def answer_refusals(api: NinjaAPI):
    """Have `api` answer whatever its operations raise in the one shape that /api/ has for errors."""

    @api.exception_handler(Refused)
    def refused(request, refusal):
        response = answer(
            api,
            request,
            **plain_facts(refusal.facts),
            status=refusal.status,
            detail=str(refusal.message),
            code=refusal.code,
            field=_as_sent(request, refusal.field),
        )
        if refusal.status == 401:
            response["WWW-Authenticate"] = "Bearer"
        if refusal.status in (429, 503):
            response["Retry-After"] = str(refusal.facts.get("retry_after_seconds", 1))
        return response

    @api.exception_handler(ModelValidationError)
    def invalid(request, error):
        """What only the models know, such as the characters of a name."""
        if hasattr(error, "error_dict"):
            problems = [
                {"loc": ["body", _as_sent(request, name)], "msg": message, "type": "value_error"}
                for name, messages in error.message_dict.items()
                for message in messages
            ]
        else:
            problems = [{"loc": ["body"], "msg": message, "type": "value_error"} for message in error.messages]
        field = problems[0]["loc"][-1] if len(problems[0]["loc"]) > 1 else None
        field = None if field == NON_FIELD_ERRORS else field
        return answer(api, request, status=422, detail=problems, code="invalid_input", field=field)

    @api.exception_handler(ValidationError)
    def malformed(request, error):
        # Without what was sent: it may be long, secret, or nothing that JSON can say.
        problems = [
            {
                "loc": _without_argument(each["loc"]),
                "msg": each["msg"].removeprefix("Value error, "),
                "type": each["type"],
            }
            for each in error.errors
        ]
        # The name of the field; where one of a list is wrong, the numbers after it stay in `detail`.
        names = [part for part in problems[0]["loc"][1:] if isinstance(part, str)] if problems else []
        field = names[-1] if names else None
        return answer(api, request, status=422, detail=problems, code="invalid_input", field=field)

    @api.exception_handler(Http404)
    def missing(request, error):
        return answer(api, request, status=404, detail="There is no such thing, or not for you.", code="not_found")

    @api.exception_handler(AuthenticationError)
    def unknown(request, error):
        response = answer(
            api,
            request,
            status=401,
            detail="Send an access token or a personal token: Authorization: Bearer <token>.",
            code="not_signed_in",
        )
        response["WWW-Authenticate"] = "Bearer"
        return response

    @api.exception_handler(Throttled)
    def too_often(request, error):
        return answer(
            api,
            request,
            status=429,
            detail="That was too often. Wait as many seconds as Retry-After says.",
            code="too_many_requests",
        )

    @api.exception_handler(HttpError)
    def no_json(request, error):
        """The only one left that ninja raises by itself is a body that is no JSON."""
        status = 422 if error.status_code == 400 else error.status_code
        return answer(api, request, status=status, detail="The body is not the JSON it should be.", code="malformed")


def _as_sent(request, field):
    """What the operation that was asked calls this field: as it is where that is one of its own inputs."""
    return field if field in getattr(request, "known_inputs", ()) else FIELDS.get(field, field)


def _without_argument(loc):
    """["body", "wish", "title"] → ["body", "title"]: what our function calls the body is nobody's business."""
    if loc[0] == "body":
        return [loc[0], *loc[2:]]
    # Of the query only what is inside of a list comes with it: ("query", "wish", "expertise", 0).
    is_inside = loc[0] == "query" and len(loc) > 2 and isinstance(loc[2], str)
    return [loc[0], *loc[2:]] if is_inside else list(loc)
