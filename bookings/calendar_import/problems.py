"""What may go wrong with somebody else's calendar. Codes are kept, words are found when they are shown."""

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

PROBLEMS = {
    "address": gettext_lazy(
        "That is no address of a calendar; it begins with http://, https:// or webcal:// and names a host."
    ),
    "has_password": gettext_lazy(
        "The address contains a name or a password before an @. Use the secret address instead."
    ),
    "not_public": gettext_lazy(
        "The address leads to a place that is not on the public internet, or to an unusual port."
    ),
    "unknown_host": gettext_lazy("The name in the address was not found on the internet."),
    "unreachable": gettext_lazy("The server could not be reached, or broke off."),
    "untrusted": gettext_lazy("The server could not prove who it is (its certificate does not fit)."),
    "too_slow": gettext_lazy("The server took longer than 10 seconds."),
    "too_large": gettext_lazy("The calendar is larger than 2 MB. Offer one with fewer past events."),
    "too_many_redirects": gettext_lazy("The address leads on and on to other addresses."),
    "encoded": gettext_lazy("The server sends the calendar packed, though we asked it not to."),
    "no_calendar": gettext_lazy("There is no calendar at that address. Copy the address that ends in .ics."),
    "too_many_events": gettext_lazy("The calendar has more events than we can read."),
    "too_complex": gettext_lazy("The calendar took too long to read; an event in it may repeat every second."),
}


class CannotRead(Exception):
    """Why a calendar could not be read: `code` is one of PROBLEMS, or `status_404`. It never contains the address,
    which is a secret."""

    def __init__(self, code):
        self.code = code
        super().__init__(code)


def describe(code: str) -> str:
    """The words for a code."""
    if code.startswith("status_"):
        return _("The server answered with error %(status)s.") % {"status": code.removeprefix("status_")}
    return str(PROBLEMS.get(code, PROBLEMS["unreachable"]))
