import datetime as dt

from django.conf import settings
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Func, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bookings import refunds
from bookings.constraints import PostgresExclusionConstraint
from mentors.models import MentorProfile

DAY_MINUTES = 24 * 60
NO_SHOW_AFTER = dt.timedelta(minutes=10)


class Weekday(models.IntegerChoices):
    MONDAY = 1, _("Monday")
    TUESDAY = 2, _("Tuesday")
    WEDNESDAY = 3, _("Wednesday")
    THURSDAY = 4, _("Thursday")
    FRIDAY = 5, _("Friday")
    SATURDAY = 6, _("Saturday")
    SUNDAY = 7, _("Sunday")


class WeeklyHours(models.Model):
    """A window of a mentor's week, in minutes of the local day; an end not after its start runs into the next day."""

    mentor = models.ForeignKey(MentorProfile, on_delete=models.CASCADE, related_name="weekly_hours")
    weekday = models.PositiveSmallIntegerField(choices=Weekday.choices)
    start_minute = models.PositiveSmallIntegerField(validators=[MaxValueValidator(DAY_MINUTES - 1)])
    end_minute = models.PositiveSmallIntegerField(validators=[MinValueValidator(1), MaxValueValidator(DAY_MINUTES)])

    class Meta:
        ordering = ["weekday", "start_minute"]
        verbose_name_plural = _("weekly hours")
        constraints = [
            models.UniqueConstraint(fields=["mentor", "weekday", "start_minute"], name="bookings_hours_once"),
            models.CheckConstraint(
                condition=Q(weekday__gte=1, weekday__lte=7, start_minute__lt=DAY_MINUTES)
                & Q(end_minute__gte=1, end_minute__lte=DAY_MINUTES),
                name="bookings_hours_in_week",
            ),
        ]

    def __str__(self):
        return f"{self.get_weekday_display()} {self.start_minute}–{self.end_minute}"


def validate_windows(windows):
    if not isinstance(windows, list) or not all(
        isinstance(window, list)
        and len(window) == 2
        and all(type(minute) is int for minute in window)
        and 0 <= window[0] < DAY_MINUTES
        and 1 <= window[1] <= DAY_MINUTES
        for window in windows
    ):
        raise ValidationError(_("Hours are pairs of minutes of the day."))


class DateOverride(models.Model):
    """Hours that replace one date's weekly hours; none is a day off."""

    mentor = models.ForeignKey(MentorProfile, on_delete=models.CASCADE, related_name="date_overrides")
    date = models.DateField()
    windows = models.JSONField(default=list, blank=True, validators=[validate_windows])
    note = models.CharField(max_length=100, blank=True)

    class Meta:
        ordering = ["date"]
        constraints = [models.UniqueConstraint(fields=["mentor", "date"], name="bookings_override_once_a_day")]

    def __str__(self):
        return f"{self.date}"


class AppointmentQuerySet(models.QuerySet):
    def visible_to(self, user):
        """Its mentor's and its student's; all for staff."""
        return self if user.is_staff else self.of_person(user)

    def of_person(self, user):
        """Those in which `user` takes part, on either side."""
        # By the profile's own id: an OR across the join would read every appointment there is.
        profile = getattr(user, "mentor_profile", None)
        return self.filter(Q(student=user) | Q(mentor=profile)) if profile else self.filter(student=user)

    def for_mentor(self, mentor):
        return self.filter(mentor=mentor)

    def for_student(self, student):
        return self.filter(student=student)

    def blocking(self):
        """Those whose time is taken: asked for, agreed or held."""
        return self.filter(status__in=Appointment.BLOCKING)

    def taking_time(self, now):
        """Those whose time is taken at `now`: the blocking ones without requests that ran out unanswered."""
        return self.blocking().exclude(status=Appointment.Status.REQUESTED, answer_by__lte=now)

    def waiting(self):
        """Those that wait for the mentor's answer."""
        return self.filter(status=Appointment.Status.REQUESTED)

    def unanswered(self, now):
        """Requests whose time to be answered is over, longest first."""
        return self.waiting().filter(answer_by__lte=now).order_by("answer_by", "id")

    def involving(self, *people):
        """Those in which one of `people` takes part, on either side."""
        return self.filter(Q(student__in=people) | Q(mentor__user__in=people))

    def ended_before(self, moment):
        """Confirmed ones that were over by then and that nobody has concluded, longest first."""
        return self.filter(status=Appointment.Status.CONFIRMED, ends_at__lte=moment).order_by("ends_at", "id")

    def upcoming(self, now):
        """Live ones that are not over, soonest first."""
        return self.filter(status__in=Appointment.LIVE, ends_at__gt=now).order_by("starts_at", "id")

    def past(self, now):
        """Those that are over or came to nothing, newest first."""
        return self.exclude(status__in=Appointment.LIVE, ends_at__gt=now).order_by("-starts_at", "-id")

    def with_people(self):
        return self.select_related("mentor__user", "student")


def _range(start, end):
    return Func(F(start), F(end), RangeBoundary(), function="TSTZRANGE", output_field=DateTimeRangeField())


class Appointment(models.Model):
    """A session of a mentor with a student, from the request to its end. Changed only by bookings.actions."""

    class Status(models.TextChoices):
        REQUESTED = "requested", _("waiting for mentor")
        CONFIRMED = "confirmed", _("confirmed")
        DECLINED = "declined", _("declined")
        EXPIRED = "expired", _("expired")
        CANCELLED = "cancelled", _("cancelled")
        COMPLETED = "completed", _("completed")
        NO_SHOW = "no_show", _("student did not come")
        DISPUTED = "disputed", _("disputed")

    class Kind(models.TextChoices):
        SESSION = "session", _("session")
        CHAT = "chat", _("chat")

    LIVE = (Status.REQUESTED, Status.CONFIRMED)
    FREEING = (Status.DECLINED, Status.EXPIRED, Status.CANCELLED)
    BLOCKING = (Status.REQUESTED, Status.CONFIRMED, Status.COMPLETED, Status.NO_SHOW, Status.DISPUTED)

    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.SESSION)
    mentor = models.ForeignKey(MentorProfile, on_delete=models.PROTECT, related_name="appointments")
    student = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="appointments")
    title = models.CharField(_("what about"), max_length=200)
    description = models.TextField(_("details"), max_length=4000, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.REQUESTED)

    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    blocked_from = models.DateTimeField(help_text=_("Start less the buffer that held at booking."))
    blocked_until = models.DateTimeField(help_text=_("End plus the buffer that held at booking."))
    agreed_timezone = models.CharField(max_length=64, help_text=_("The mentor's zone at booking."))
    agreed_local_start = models.CharField(max_length=16, help_text=_("2026-11-24T14:00 in the agreed zone."))

    # The terms as they were shown before the click.
    price_points = models.PositiveIntegerField()
    cancel_free_until = models.DateTimeField()
    late_refund_percent = models.PositiveSmallIntegerField()
    answer_by = models.DateTimeField(help_text=_("An unanswered request expires then."))
    meeting_url = models.URLField(max_length=500, blank=True)

    payer = models.ForeignKey(
        "wallets.Wallet",
        on_delete=models.PROTECT,
        related_name="+",
        help_text=_("Where the points came from."),
    )
    escrow = models.OneToOneField("wallets.Wallet", on_delete=models.PROTECT, related_name="appointment")
    booked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    idempotency_key = models.CharField(max_length=100, null=True, blank=True)  # noqa: DJ001  unique where given
    idempotency_fingerprint = models.CharField(max_length=64, blank=True)
    sequence = models.PositiveIntegerField(default=0, help_text=_("Rises with each change, for calendars."))
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = AppointmentQuerySet.as_manager()

    class Meta:
        ordering = ["-starts_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="bookings_ends_after_start"),
            models.CheckConstraint(
                condition=Q(blocked_from__lte=F("starts_at"), blocked_until__gte=F("ends_at")),
                name="bookings_buffers_outside",
            ),
            models.CheckConstraint(condition=Q(late_refund_percent__lte=100), name="bookings_late_share_percent"),
            models.UniqueConstraint(fields=["booked_by", "idempotency_key"], name="bookings_key_once"),
            PostgresExclusionConstraint(
                name="bookings_no_overlap_mentor",
                expressions=[
                    ("mentor", RangeOperators.EQUAL),
                    (_range("blocked_from", "blocked_until"), RangeOperators.OVERLAPS),
                ],
                condition=Q(status__in=["requested", "confirmed", "completed", "no_show", "disputed"]),
            ),
            PostgresExclusionConstraint(
                name="bookings_no_overlap_student",
                expressions=[
                    ("student", RangeOperators.EQUAL),
                    (_range("starts_at", "ends_at"), RangeOperators.OVERLAPS),
                ],
                condition=Q(status__in=["requested", "confirmed", "completed", "no_show", "disputed"]),
            ),
        ]
        indexes = [
            models.Index(fields=["mentor", "blocked_until"], name="bookings_of_mentor"),
            models.Index(fields=["student", "ends_at"], name="bookings_of_student"),
            models.Index(fields=["blocked_until", "blocked_from"], name="bookings_by_time"),
            models.Index(fields=["answer_by"], condition=Q(status="requested"), name="bookings_unanswered"),
            models.Index(fields=["ends_at"], condition=Q(status="confirmed"), name="bookings_to_complete"),
        ]

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return reverse("bookings:detail", args=[self.pk])

    @property
    def duration_minutes(self):
        return int((self.ends_at - self.starts_at).total_seconds() // 60)

    @property
    def is_live(self):
        return self.status in self.LIVE

    @property
    def no_show_from(self):
        """The mentor may report that the student did not come from then on."""
        return self.starts_at + NO_SHOW_AFTER

    @property
    def status_tone(self):
        return STATUS_LOOKS[self.status][0]

    @property
    def status_icon(self):
        return STATUS_LOOKS[self.status][1]

    def is_mentored_by(self, user):
        return self.mentor.user_id == user.pk

    def is_attended_by(self, user):
        return self.student_id == user.pk

    def is_unanswered(self, now):
        """A request that ran out, whether or not somebody has flipped it yet."""
        return self.status == self.Status.REQUESTED and now >= self.answer_by

    def other_side(self, user):
        """Whom `user` meets in this session."""
        return self.student if self.is_mentored_by(user) else self.mentor.user

    def may_be_cancelled_by(self, user):
        """Whose business cancelling is at all: both sides' and staff's."""
        return self.is_attended_by(user) or self.is_mentored_by(user) or user.is_staff

    # What each of these allows, its action in bookings.actions does; what it forbids, the action refuses.

    def can_be_confirmed_by(self, user, now):
        return self.is_mentored_by(user) and self.status == self.Status.REQUESTED and now < self.answer_by

    def can_be_declined_by(self, user, now):
        return self.is_mentored_by(user) and self.status == self.Status.REQUESTED

    def can_be_cancelled_by(self, user, now):
        """A student until the start (a session that has begun is not returned for half the price); others while it is
        live."""
        if not self.is_live or not self.may_be_cancelled_by(user):
            return False
        return not self.is_too_late_to_cancel(user, now)

    def is_too_late_to_cancel(self, user, now):
        return self.is_attended_by(user) and self.status == self.Status.CONFIRMED and now >= self.starts_at

    def can_be_completed_by(self, user, now):
        return self.is_mentored_by(user) and self.status == self.Status.CONFIRMED and now >= self.starts_at

    def can_be_reported_no_show_by(self, user, now):
        return self.is_mentored_by(user) and self.status == self.Status.CONFIRMED and now >= self.no_show_from

    def refund_percent_if_cancelled(self, by, now):
        """The share that goes back to the payer. A student who is staff cancels as a student."""
        return refunds.returned_percent(
            is_confirmed=self.status == self.Status.CONFIRMED,
            by_student=self.is_attended_by(by),
            cancel_free_until=self.cancel_free_until,
            late_refund_percent=self.late_refund_percent,
            now=now,
        )

    def refund_if_cancelled(self, by, now):
        """The points that go back to the payer if `by` cancels at `now`; the rest of the price goes to the mentor."""
        return refunds.returned_points(self.price_points, self.refund_percent_if_cancelled(by, now))


STATUS_LOOKS = {
    Appointment.Status.REQUESTED: ("info", "hourglass"),
    Appointment.Status.CONFIRMED: ("success", "calendar-check"),
    Appointment.Status.DECLINED: ("muted", "calendar-x"),
    Appointment.Status.EXPIRED: ("muted", "timer-off"),
    Appointment.Status.CANCELLED: ("muted", "calendar-x"),
    Appointment.Status.COMPLETED: ("primary", "circle-check"),
    Appointment.Status.NO_SHOW: ("danger", "user-x"),
    Appointment.Status.DISPUTED: ("danger", "scale"),
}


class AppointmentEvent(models.Model):
    """A line of an appointment's history: who moved it from which state to which, and what that did to the points."""

    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="events")
    from_status = models.CharField(max_length=10, choices=Appointment.Status.choices, blank=True)
    to_status = models.CharField(max_length=10, choices=Appointment.Status.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(max_length=500, blank=True)
    points_returned = models.PositiveIntegerField(default=0)
    points_paid = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]

    def __str__(self):
        return f"{self.from_status} → {self.to_status}"
