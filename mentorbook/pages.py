"""What pages of many apps need."""

from django.core.paginator import Paginator
from django.http import HttpResponseRedirect
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme

PAGE_SIZE = 20


def paginate(request, rows, page_size=PAGE_SIZE):
    """The page of `rows` that `?page=` asks for; a number that makes no sense gives the nearest page that exists."""
    return Paginator(rows, page_size).get_page(request.GET.get("page"))


def back(request, otherwise):
    """Go to the page of ours that a form named as `next`; where it named none, to `otherwise`.

    Only a path leads anywhere: `redirect` would take a word for the name of a view, and fail on those that are none.
    """
    address = request.POST.get("next", "")
    if address.startswith("/") and url_has_allowed_host_and_scheme(address, allowed_hosts=None):
        return HttpResponseRedirect(address)
    return redirect(otherwise)
