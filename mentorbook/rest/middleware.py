"""The HTTP side of the JSON API that Django's own middleware would do for pages instead."""

from http import HTTPStatus

from django.http import HttpResponse, JsonResponse
from django.middleware import common
from django.utils.cache import get_conditional_response, patch_cache_control, patch_vary_headers, set_response_etag

PREFIX = "/api/"
JSON = "application/json"
# Headers of a page's error that mean something to a program as well.
KEPT = ("Allow", "Retry-After", "WWW-Authenticate", "Location")
CODES = {400: "malformed", 403: "not_allowed", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}
WORDS = {
    400: "This request cannot be read.",
    404: "There is nothing at this address.",
    405: "This address does not take that method.",
    413: "The body is longer than anything this address takes.",
    500: "Something went wrong on our side. Try again; nothing was done by halves.",
    503: "Too much is going on right now. Nothing was done; try again in a moment.",
}


def is_for_programs(request):
    return request.path_info.startswith(PREFIX)


def is_documentation(request):
    """The pages under the API's address that are for people."""
    return request.path_info in (f"{PREFIX}docs", f"{PREFIX}redoc")


class JsonAnswersMiddleware:
    """Let every answer under /api/ be JSON, whoever gave it, and every single object have an ETag."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        if not is_for_programs(request) or is_documentation(request):
            return self.get_response(request)
        response = self._asked(request)
        if response.status_code == 405:
            response = _with_methods(request, response)
        if response.status_code >= 400 and not response.get("Content-Type", "").startswith(JSON):
            response = _as_json(response)
        patch_vary_headers(response, ["Authorization"])
        patch_cache_control(response, private=True, no_cache=True)
        if request.method in ("GET", "HEAD") and response.status_code == 200 and not response.streaming:
            set_response_etag(response)
            return get_conditional_response(request, etag=response["ETag"], response=response)
        return response

    def _asked(self, request):
        """HEAD is asked as GET: operations know no HEAD, and the server leaves out the body."""
        if request.method != "HEAD":
            return self.get_response(request)
        request.method = "GET"
        try:
            return self.get_response(request)
        finally:
            request.method = "HEAD"


def _with_methods(request, response):
    """Say what the address takes: as the answer to OPTIONS, or beside the refusal of another method."""
    takes = {method.strip() for method in response.get("Allow", "").split(",")} - {""}
    if "GET" in takes:
        takes.add("HEAD")
    if request.method == "OPTIONS":
        response = HttpResponse(status=204)
    response["Allow"] = ", ".join(sorted(takes | {"OPTIONS"}))
    return response


def _as_json(response):
    """The page of an error, which middleware or Django itself made, as programs read it."""
    status = response.status_code
    words = WORDS.get(status, HTTPStatus(status).phrase + ".")
    answer = JsonResponse({"detail": words, "code": CODES.get(status, "error"), "field": None}, status=status)
    for name in KEPT:
        if name in response:
            answer[name] = response[name]
    return answer


class CommonMiddleware(common.CommonMiddleware):
    """Django's, without sending programs from one address to the same with a slash: a POST would lose its body."""

    def should_redirect_with_slash(self, request):
        return not is_for_programs(request) and super().should_redirect_with_slash(request)
