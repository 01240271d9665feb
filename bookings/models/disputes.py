from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bookings.models.appointment import Appointment

DECIDES = "bookings.change_dispute"


class DisputeQuerySet(models.QuerySet):
    def undecided(self):
        """Those that wait for staff, longest first."""
        return self.filter(decided_at=None).order_by("created_at", "id")


class Dispute(models.Model):
    """A student's word that a session did not take place as promised, the mentor's, and what staff decided. Changed
    only by bookings.actions."""

    appointment = models.OneToOneField(Appointment, on_delete=models.PROTECT, related_name="dispute")
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    reason = models.CharField(max_length=500)
    was_completed = models.BooleanField(help_text=_("Whether the mentor had been paid before."))
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    answer = models.CharField(max_length=500, blank=True, help_text=_("What the mentor says."))
    answered_at = models.DateTimeField(null=True, blank=True)
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision = models.CharField(max_length=500, blank=True, help_text=_("Both sides read it."))
    # What each side has of the price in the end, whenever it was paid.
    points_returned = models.PositiveIntegerField(default=0)
    points_paid = models.PositiveIntegerField(default=0)

    objects = DisputeQuerySet.as_manager()

    class Meta:
        ordering = [F("decided_at").desc(nulls_first=True), "created_at", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(decided_at=None, decided_by=None)
                | (Q(decided_at__isnull=False, decided_by__isnull=False) & ~Q(decision="")),
                name="bookings_decision_whole",
            ),
        ]

    def __str__(self):
        return f"{self.appointment}"

    @property
    def is_decided(self):
        return self.decided_at is not None

    def can_be_answered_by(self, user):
        """By the mentor, who may write it again until it is decided."""
        return self.appointment.is_mentored_by(user) and not self.is_decided

    def may_be_decided_by(self, user):
        """By staff who may, in a matter that is not their own."""
        return user.is_staff and user.has_perm(DECIDES) and not self.appointment.has_participant(user)

    def can_be_decided_by(self, user):
        return self.may_be_decided_by(user) and not self.is_decided
