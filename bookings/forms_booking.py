"""What the page on which a session is booked is asked."""

from functools import cached_property

from django import forms
from django.db.models import Exists, OuterRef
from django.utils.translation import gettext_lazy as _

from accounts.models import Membership, ProjectGroup
from bookings.actions import PayFrom
from bookings.forms import TimesQuery
from bookings.weekly import FEWEST_WEEKS, MOST_WEEKS
from tickets.models import Ticket

NO_SUCH_TICKET = _("That is not one of your questions; the session is booked without it.")


class BookingQuery(TimesQuery):
    """The times to show, and for whom, from which wallet, how often and about which question they would be booked.

    The latter stay the same while one looks at other times.
    """

    # What the booking form changes by itself.
    CHOICES = ("group", "pay_from", "weeks")

    group = forms.TypedChoiceField(coerce=int, required=False, empty_value=None)
    pay_from = forms.ChoiceField(choices=PayFrom, required=False)
    weeks = forms.TypedChoiceField(coerce=int, required=False, empty_value=None)
    ticket = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)

    def __init__(self, *args, mentor, viewer, **kwargs):
        # Before the parent looks at what was asked: the choices of this viewer with this mentor.
        of_mentor = Membership.objects.filter(group=OuterRef("pk"), user=mentor.user_id)
        groups = ProjectGroup.objects.of_person(viewer).annotate(has_mentor=Exists(of_mentor))
        every = list(groups.select_related("wallet", "owner"))
        self.groups = [group for group in every if not group.has_mentor]
        self.groups_of_mentor = [group for group in every if group.has_mentor]
        super().__init__(*args, mentor=mentor, viewer=viewer, **kwargs)
        self.for_group = next((group for group in self.groups if group.pk == self.cleaned_data.get("group")), None)
        self.week_count = self.cleaned_data.get("weeks") or 1
        name = mentor.user.get_short_name()
        if "group" in self.errors:
            self.notes.append(self._why_not_that_group(name))
        if "weeks" in self.errors:
            self.notes.append(_("That is no number of weeks from 2 to 12; this is for once."))
        if "pay_from" in self.errors:
            self.notes.append(_("That is no wallet of yours; this is paid from your own points."))
        elif self._asks_for_group_points and not self.may_pay_from_group:
            self.add_error("pay_from", "")
            self.notes.append(
                _("Only the owner of %(group)s pays from its wallet; this is paid from your own points.")
                % {"group": self.for_group}
            )
        if "ticket" in self.errors or (self.cleaned_data.get("ticket") and self.about is None):
            if "ticket" not in self.errors:
                self.add_error("ticket", "")
            self.notes.append(NO_SUCH_TICKET)

    def full_clean(self):
        self.fields["group"].choices = [(group.pk, group.name) for group in self.groups]
        self.fields["weeks"].choices = [(weeks, weeks) for weeks in (1, *range(FEWEST_WEEKS, MOST_WEEKS + 1))]
        super().full_clean()

    def _why_not_that_group(self, name):
        asked = self.data.get("group")
        for group in self.groups_of_mentor:
            if str(group.pk) == asked:
                return _(
                    "%(name)s is a member of %(group)s, so the group cannot book %(name)s; this is for yourself."
                ) % {"name": name, "group": group}
        return _("You have no such group that could meet %(name)s; this is for yourself.") % {"name": name}

    @cached_property
    def about(self):
        """The question of the viewer that the session is to be about."""
        pk = self.cleaned_data.get("ticket")
        return Ticket.objects.of_student(self.viewer).filter(pk=pk).first() if pk else None

    @property
    def _asks_for_group_points(self):
        return self.for_group is not None and self.cleaned_data.get("pay_from") == PayFrom.GROUP

    @cached_property
    def may_pay_from_group(self):
        return self.for_group is not None and self.for_group.may_be_paid_by(self.viewer)

    @property
    def group_points(self):
        wallet = getattr(self.for_group, "wallet", None)
        return wallet.balance_points if wallet else 0

    @property
    def payer(self):
        """The wallet asked for; otherwise the group's where that is allowed and has enough."""
        if not self.may_pay_from_group or self.cleaned_data.get("pay_from") == PayFrom.WALLET:
            return PayFrom.WALLET
        price = self.week_count * self.mentor.price_points(self.duration_minutes)
        return PayFrom.GROUP if self._asks_for_group_points or self.group_points >= price else PayFrom.WALLET

    @property
    def group_pays(self):
        return self.payer == PayFrom.GROUP

    @property
    def choice(self):
        """For whom, from which wallet and how often, as one text: what the page showed when its button was pressed."""
        return f"{self.for_group.pk if self.for_group else ''}|{self.payer}|{self.week_count}"

    @property
    def has_wrong_choice(self):
        """Whether it asks for something that cannot be, so that nothing may be booked in its place."""
        return any(name in self.errors for name in (*self.CHOICES, "ticket"))

    @cached_property
    def kept(self):
        """What stays in every address of the page, by name."""
        values = {
            "ticket": self.about and self.about.pk,
            "group": self.for_group and self.for_group.pk,
            "pay_from": self.payer if self.for_group and self.cleaned_data.get("pay_from") else None,
            "weeks": self.week_count if self.week_count > 1 else None,
        }
        return {name: value for name, value in values.items() if value is not None}

    def address(self, **changes):
        return super().address(**{**self.kept, **changes})
