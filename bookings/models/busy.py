from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from mentors.models import MentorProfile


class BusyTimeQuerySet(models.QuerySet):
    def taking_time(self, now):
        """Those that have not lapsed."""
        return self.filter(Q(expires_at=None) | Q(expires_at__gt=now))


class BusyTime(models.Model):
    """A mentor's time that is taken by something else than an appointment: held for a move or for the first of a
    waiting list, or busy in a calendar that the mentor had imported. Written only by bookings.actions."""

    class Kind(models.TextChoices):
        MOVE = "move", _("held for a move")
        WAITING = "waiting", _("held for a waiting list")
        CALENDAR = "calendar", _("another calendar")

    kind = models.CharField(max_length=10, choices=Kind.choices)
    mentor = models.ForeignKey(MentorProfile, on_delete=models.CASCADE, related_name="busy_times")
    student = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("For whom it is held."),
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    blocked_from = models.DateTimeField(help_text=_("Start less the buffer; of another calendar the start."))
    blocked_until = models.DateTimeField(help_text=_("End plus the buffer; of another calendar the end."))
    expires_at = models.DateTimeField(null=True, blank=True, help_text=_("How long it is held."))
    proposal = models.OneToOneField("bookings.MoveProposal", on_delete=models.CASCADE, null=True, blank=True)
    entry = models.OneToOneField("bookings.WaitingListEntry", on_delete=models.CASCADE, null=True, blank=True)
    calendar = models.ForeignKey(
        "bookings.CalendarImport", on_delete=models.CASCADE, null=True, blank=True, related_name="busy_times"
    )

    objects = BusyTimeQuerySet.as_manager()

    class Meta:
        ordering = ["starts_at", "id"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="bookings_busy_ends_after_start"),
            models.CheckConstraint(
                condition=Q(kind="move", proposal__isnull=False, entry=None, calendar=None, student__isnull=False)
                | Q(kind="waiting", proposal=None, entry__isnull=False, calendar=None, student__isnull=False)
                | Q(kind="calendar", proposal=None, entry=None, calendar__isnull=False, student=None),
                name="bookings_busy_fits_kind",
            ),
        ]
        indexes = [
            models.Index(fields=["mentor", "blocked_until"], name="bookings_busy_of_mentor"),
            models.Index(fields=["blocked_until", "blocked_from"], name="bookings_busy_by_time"),
        ]

    def __str__(self):
        return f"{self.mentor}: {self.starts_at:%Y-%m-%d %H:%M}"
