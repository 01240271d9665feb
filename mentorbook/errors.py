"""How mentorbook says no."""

from django.utils.translation import gettext_lazy as _


class Refused(Exception):
    """A rule of the business said no. Expected, shown to the person, never logged as an error.

    Subclasses stand beside the action that raises them and are named for the fact: `SlotTaken`, `NotEnoughPoints`.

    `code`     a stable word for programs
    `status`   the HTTP status that every door answers with
    `field`    the form field that caused it, or None
    `message`  a sentence for people: what happened, what stays safe, what to do next
    `facts`    whatever else the page or the API shows, by name (also readable as attributes)
    """

    code = "refused"
    status = 409
    field: str | None = None
    message = _("That is not possible right now.")

    def __init__(self, message=None, **facts):
        if message is not None:
            self.message = message
        self.facts = facts
        super().__init__(str(self.message))

    def __getattr__(self, name):
        try:
            return self.__dict__["facts"][name]
        except KeyError:
            raise AttributeError(name) from None


class NotAllowed(Refused):
    """The person may see the thing, and may not do this with it."""

    code = "not_allowed"
    status = 403
    message = _("That is not yours to do.")
