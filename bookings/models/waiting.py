from datetime import UTC, timedelta

from django.conf import settings
from django.db import models
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from mentors.models import MentorProfile


class WaitingListQuerySet(models.QuerySet):
    def visible_to(self, user):
        return self.filter(student=user)

    def active(self, now):
        """Those that wait, or have a time held, for a day that is not over."""
        return self.filter(status__in=WaitingListEntry.ACTIVE, until__gt=now)

    def in_line(self):
        """Those that wait, first come first."""
        return self.filter(status=WaitingListEntry.Status.WAITING).order_by("created_at", "id")

    def held(self, now):
        """Those for whom a time is held right now, the one that lapses first in front."""
        offered = self.filter(status=WaitingListEntry.Status.OFFERED, offered_until__gt=now)
        return offered.order_by("offered_until", "id")

    def lapsed(self, now):
        """Those whose held time was not used."""
        return self.filter(status=WaitingListEntry.Status.OFFERED, offered_until__lte=now)

    def meeting(self, since, until):
        """Those whose day has some of [since, until). Two people's days differ where their clocks do."""
        return self.filter(since__lt=until, until__gt=since)

    def with_place(self):
        """With `before`: how many wait for some of the same time and came earlier."""
        earlier = WaitingListEntry.objects.filter(
            Q(created_at__lt=OuterRef("created_at")) | Q(created_at=OuterRef("created_at"), pk__lt=OuterRef("pk")),
            status=WaitingListEntry.Status.WAITING,
            mentor=OuterRef("mentor"),
            since__lt=OuterRef("until"),
            until__gt=OuterRef("since"),
        )
        count = earlier.order_by().values("mentor").annotate(count=Count("pk")).values("count")
        return self.annotate(before=Coalesce(Subquery(count), 0))


class WaitingListEntry(models.Model):
    """A student's place in the line for a full day of a mentor. When a time frees up it is held for the first in line
    (`BusyTime`) for a quarter of an hour. Changed only by bookings.actions."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        OFFERED = "offered", _("a time is held")
        BOOKED = "booked", _("booked")
        PASSED = "passed", _("passed on")
        LEFT = "left", _("left the line")
        OVER = "over", _("the day is over")

    ACTIVE = (Status.WAITING, Status.OFFERED)

    mentor = models.ForeignKey(MentorProfile, on_delete=models.CASCADE, related_name="waiting_list")
    student = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="waiting_for")
    date = models.DateField(help_text=_("A day of the student's calendar."))
    timezone = models.CharField(max_length=64, help_text=_("Of that calendar."))
    since = models.DateTimeField(help_text=_("Where that day begins …"))
    until = models.DateTimeField(help_text=_("… and ends."))
    duration_minutes = models.PositiveSmallIntegerField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    offered_starts_at = models.DateTimeField(null=True, blank=True)
    offered_until = models.DateTimeField(null=True, blank=True, help_text=_("How long that time is held."))
    created_at = models.DateTimeField(default=now, editable=False)

    objects = WaitingListQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "id"]
        verbose_name = _("place on a waiting list")
        verbose_name_plural = _("waiting lists")
        constraints = [
            models.CheckConstraint(condition=Q(until__gt=F("since")), name="bookings_waiting_day_has_time"),
            models.CheckConstraint(
                condition=~Q(status="offered") | Q(offered_starts_at__isnull=False, offered_until__isnull=False),
                name="bookings_waiting_offer_whole",
            ),
            models.UniqueConstraint(
                fields=["mentor", "student", "date", "duration_minutes"],
                condition=Q(status__in=["waiting", "offered"]),
                name="bookings_waiting_once",
            ),
        ]
        indexes = [
            models.Index(
                fields=["mentor", "created_at"], condition=Q(status="waiting"), name="bookings_waiting_in_line"
            ),
            models.Index(fields=["offered_until"], condition=Q(status="offered"), name="bookings_waiting_offers"),
        ]

    def __str__(self):
        return f"{self.student}: {self.mentor}, {self.date}"

    def get_absolute_url(self):
        """The page where a time with the mentor is chosen, on this day and for this length; a held time is chosen."""
        page = reverse("bookings:choose", args=[self.mentor_id])
        query = {"duration": self.duration_minutes, "day": self.date.isoformat(), "timezone": self.timezone}
        if self.status == self.Status.OFFERED:
            query["start"] = self.offered_starts_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
            return f"{page}?{urlencode(query)}#book"
        return f"{page}?{urlencode(query)}#day-{self.date.isoformat()}"

    def is_held(self, now):
        """Whether a time is held for the student right now."""
        return self.status == self.Status.OFFERED and now < self.offered_until

    @property
    def offered_ends_at(self):
        return self.offered_starts_at + timedelta(minutes=self.duration_minutes)
