"""What an operation can refuse: written beside it, shown in the documentation, and held to in tests."""

from collections import defaultdict
from functools import wraps
from http import HTTPStatus

from django.conf import settings
from ninja.errors import ValidationError
from ninja.utils import contribute_operation_callback

from mentorbook.errors import Refused
from mentorbook.locks import Busy

# May come from everywhere.
ALWAYS = (Busy,)


def refuses(*refusals: type[Refused]):
    """Say which refusals an operation can raise, itself or through its action. Stands below `@router.get(…)`.

    In tests, one that is not named here is an error. Query parameters that the operation does not know are refused.
    """

    def decorate(view):
        @wraps(view)
        def held_to(request, *args, **kwargs):
            _refuse_unknown_parameters(request, held_to.known_parameters)
            request.known_inputs = held_to.known_inputs
            try:
                return view(request, *args, **kwargs)
            except Refused as refusal:
                if settings.ENVIRONMENT == "test" and not isinstance(refusal, (*refusals, *ALWAYS)):
                    raise AssertionError(
                        f"{view.__module__}.{view.__name__} does not say that it can refuse with"
                        f" {type(refusal).__name__} ({refusal.code})"
                    ) from refusal
                raise

        def contribute(operation):
            held_to.known_parameters = {
                name
                for model in operation.models
                if model.__ninja_param_source__ == "query"
                for name in getattr(model, "__ninja_flatten_map__", {})
            }
            held_to.known_inputs = held_to.known_parameters | set(_names_in_body(operation))
            operation.openapi_extra = {"responses": responses(refusals), **(operation.openapi_extra or {})}

        contribute_operation_callback(held_to, contribute)
        return held_to

    return decorate


def _names_in_body(operation):
    for model in operation.models:
        if model.__ninja_param_source__ == "body":
            for argument in model.model_fields.values():
                fields = getattr(argument.annotation, "model_fields", {})
                yield from (field.alias or name for name, field in fields.items())


def _refuse_unknown_parameters(request, known):
    if unknown := sorted(set(request.GET) - known):
        raise ValidationError(
            [
                {"loc": ("query", name), "msg": "There is no such parameter.", "type": "extra_forbidden"}
                for name in unknown
            ]
        )


def responses(refusals) -> dict:
    """The part of an operation's description that names `refusals`, by status."""
    by_status = defaultdict(dict)
    for refusal in refusals:
        # One whose code depends on its facts has an example of each.
        for each in getattr(refusal, "examples", lambda one=refusal: [one])():
            by_status[int(each.status)][each.code] = {
                "summary": _first_line(each),
                "value": {"detail": str(each.message), "code": each.code, "field": each.field},
            }
    return {status: response(status, examples) for status, examples in sorted(by_status.items())}


def response(status, examples) -> dict:
    codes = ", ".join(f"`{code}`" for code in examples)
    return {
        "description": f"{HTTPStatus(status).phrase}: {codes}",
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": examples}},
    }


def _first_line(refusal):
    own = refusal.__dict__.get("__doc__")
    return own.strip().splitlines()[0] if own else str(refusal.message)
