import datetime as dt

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bookings import refunds, terms
from bookings.constraints import PostgresExclusionConstraint
from mentors.models import MentorProfile, price_of

NO_SHOW_AFTER = dt.timedelta(minutes=10)
DISPUTE_WITHIN = dt.timedelta(hours=48)
CHAT_MINUTES = 15


class AppointmentQuerySet(models.QuerySet):
    def visible_to(self, user):
        """Its mentor's, its student's and their project group's; all for staff."""
        return self if user.is_staff else self.of_person(user)

    def of_person(self, user):
        """Those in which `user` takes part, on either side, alone or as a member of a group."""
        # By the profile's and the groups' own ids: an OR across joins would read every appointment there is.
        mine = Q(student=user)
        if profile := getattr(user, "mentor_profile", None):
            mine |= Q(mentor=profile)
        if user.group_ids:
            mine |= Q(group__in=user.group_ids)
        return self.filter(mine)

    def of_group(self, group):
        return self.filter(group=group)

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
        return self.select_related("mentor__user", "student", "group", "dispute")


def _range(start, end):
    return Func(F(start), F(end), RangeBoundary(), function="TSTZRANGE", output_field=DateTimeRangeField())


class AppointmentSeries(models.Model):
    """Sessions that were booked together, a week apart at the same local time of the mentor. Each is an appointment of
    its own; what they share is where they came from. Changed only by bookings.actions."""

    mentor = models.ForeignKey(MentorProfile, on_delete=models.PROTECT, related_name="+")
    booked_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    weeks = models.PositiveSmallIntegerField()
    idempotency_key = models.CharField(max_length=100, null=True, blank=True)  # noqa: DJ001  unique where given
    idempotency_fingerprint = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = _("series of appointments")
        constraints = [
            models.CheckConstraint(condition=Q(weeks__gte=2, weeks__lte=12), name="bookings_series_of_2_to_12"),
            models.UniqueConstraint(fields=["booked_by", "idempotency_key"], name="bookings_series_key_once"),
        ]

    def __str__(self):
        return f"{self.weeks} × {self.mentor}"


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
    DISPUTABLE = (Status.CONFIRMED, Status.COMPLETED)
    FREEING = (Status.DECLINED, Status.EXPIRED, Status.CANCELLED)
    BLOCKING = (Status.REQUESTED, Status.CONFIRMED, Status.COMPLETED, Status.NO_SHOW, Status.DISPUTED)

    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.SESSION)
    mentor = models.ForeignKey(MentorProfile, on_delete=models.PROTECT, related_name="appointments")
    student = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="appointments")
    group = models.ForeignKey(
        "accounts.ProjectGroup",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="appointments",
        help_text=_("For whom `student` booked it: every member takes part."),
    )
    ticket = models.ForeignKey(
        "tickets.Ticket",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="appointments",
        help_text=_("The question in writing that it is about."),
    )
    series = models.ForeignKey(
        AppointmentSeries, on_delete=models.PROTECT, null=True, blank=True, related_name="appointments"
    )
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
    hourly_rate_points = models.PositiveIntegerField(
        null=True, blank=True, help_text=_("The rate at booking, for another length; not known of the oldest.")
    )
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
    timed_at = models.DateTimeField(
        default=timezone.now, editable=False, help_text=_("Since when it has this time: booked, or moved last.")
    )
    # Of which start the people were reminded; another start, after a move, arms the reminder again.
    reminded_day_before = models.DateTimeField(null=True, blank=True, editable=False)
    reminded_hour_before = models.DateTimeField(null=True, blank=True, editable=False)

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
    def is_chat(self):
        return self.kind == self.Kind.CHAT

    @property
    def has_its_time(self):
        """Whether its times say when it takes place. Those of a chat that nobody accepted say when it would have."""
        return not self.is_chat or self.starts_at < self.answer_by

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
        """Whether `user` is the one who booked it for themself or for the group."""
        return self.student_id == user.pk

    def is_represented_by(self, user):
        """Whether `user` may speak for the student's side: who booked it, and the owner of the group.

        Nobody speaks for both sides, and who has left the group for it only where it is their own points that it costs.
        """
        if self.is_mentored_by(user):
            return False
        if self.group_id is None or self.group.is_owned_by(user):
            return self.group_id is not None or self.is_attended_by(user)
        return self.is_attended_by(user) and (self.group_id in user.group_ids or not self.is_paid_by_group)

    def has_participant(self, user):
        """Whether `user` takes part, on either side, alone or as a member of the group."""
        if self.is_mentored_by(user) or self.is_represented_by(user):
            return True
        return self.group_id is not None and self.group_id in user.group_ids

    def is_unanswered(self, now):
        """A request that ran out, whether or not somebody has flipped it yet."""
        return self.status == self.Status.REQUESTED and now >= self.answer_by

    def other_side(self, user):
        """Whom `user` meets in this session; of a group the one who booked it."""
        return self.student if self.is_mentored_by(user) else self.mentor.user

    @property
    def is_paid_by_group(self):
        """Whether the points come from the group's wallet, and go back to it. A query where the payer is not loaded."""
        return self.group_id is not None and self.payer.group_id is not None

    def student_side(self):
        """Everybody on the student's side who is told about it: the student, or all of the group. One query for a
        group."""
        if self.group_id is None:
            return [self.student]
        members = list(get_user_model().objects.active().filter(memberships__group=self.group_id).order_by("pk"))
        others = [member for member in members if member.pk != self.student_id]
        # Who booked it and has left is concerned only as long as it is their own points that it costs.
        has_left = len(others) == len(members) and self.is_paid_by_group
        return others if has_left else [*others, self.student]

    def may_be_cancelled_by(self, user):
        """Whose business cancelling is at all: both sides', and that of staff who may change appointments."""
        if self.is_represented_by(user) or self.is_mentored_by(user):
            return True
        return user.is_staff and user.has_perm("bookings.change_appointment")

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
        return self.is_represented_by(user) and self.status == self.Status.CONFIRMED and now >= self.starts_at

    def may_be_moved_by(self, user):
        """Whose business another time is: both sides', each asking the other."""
        return self.is_represented_by(user) or self.is_mentored_by(user)

    def can_be_moved_by(self, user, now):
        """While it is live and has not begun, whether or not another time is proposed already. No chats."""
        if self.is_chat:  # it is now, or not at all
            return False
        is_session = self.kind == self.Kind.SESSION  # a chat is now or not at all
        is_ahead = self.is_live and now < self.starts_at and not self.is_unanswered(now)
        return is_session and is_ahead and self.may_be_moved_by(user)

    def moves_at_once(self, user, now):
        """Whether another time that `user` chooses needs no answer: where the mentor confirms automatically, as long as
        the student could cancel for free and book anew. Later a move would be the way around the late share."""
        is_student = self.is_represented_by(user) and not self.is_mentored_by(user)
        return is_student and self.mentor.confirms_automatically and now < self.cancel_free_until

    def lengths_to_move_to(self):
        """In minutes: those that the mentor offers, and the one that was agreed."""
        return sorted({*self.mentor.session_minutes, self.duration_minutes})

    def price_points_if_moved(self, duration_minutes):
        """What it costs at another length: at the rate that was agreed, whatever the mentor asks by now."""
        if self.hourly_rate_points is None:
            return terms.moved_price(self.price_points, self.duration_minutes, duration_minutes)
        return price_of(self.hourly_rate_points, duration_minutes)

    @property
    def dispute_from(self):
        """As long as the mentor has to wait for the student, the student waits for the mentor."""
        return self.starts_at + NO_SHOW_AFTER

    @property
    def dispute_until(self):
        return self.ends_at + DISPUTE_WITHIN

    def can_be_disputed_by(self, user, now):
        """By the student's side, from ten minutes after the start until 48 hours after the end."""
        if not self.is_represented_by(user) or self.status not in self.DISPUTABLE:
            return False
        return self.dispute_from <= now < self.dispute_until

    def can_be_completed_by(self, user, now):
        return self.is_mentored_by(user) and self.status == self.Status.CONFIRMED and now >= self.starts_at

    def can_be_reported_no_show_by(self, user, now):
        return self.is_mentored_by(user) and self.status == self.Status.CONFIRMED and now >= self.no_show_from

    def refund_if_cancelled(self, by, now):
        """The points that go back to the payer if `by` cancels at `now`; the rest of the price goes to the mentor. A
        student who is staff cancels as a student."""
        percent = refunds.returned_percent(
            is_confirmed=self.status == self.Status.CONFIRMED,
            by_student=self.is_represented_by(by),
            cancel_free_until=self.cancel_free_until,
            late_refund_percent=self.late_refund_percent,
            now=now,
        )
        return refunds.returned_points(self.price_points, percent)


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
    """A line of an appointment's history: who did what, from which state to which, and what that did to the points."""

    class What(models.TextChoices):
        STATE = "state", _("state")
        MOVE_PROPOSED = "move_proposed", _("another time proposed")
        MOVED = "moved", _("moved")
        MOVE_DECLINED = "move_declined", _("other time declined")
        MOVE_WITHDRAWN = "move_withdrawn", _("other time withdrawn")
        MOVE_EXPIRED = "move_expired", _("other time not answered")
        DISPUTE_DECIDED = "dispute_decided", _("dispute decided")

    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="events")
    what = models.CharField(max_length=20, choices=What.choices, default=What.STATE)
    from_status = models.CharField(max_length=10, choices=Appointment.Status.choices, blank=True)
    to_status = models.CharField(max_length=10, choices=Appointment.Status.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    reason = models.CharField(max_length=500, blank=True)
    points_returned = models.PositiveIntegerField(default=0)
    points_paid = models.PositiveIntegerField(default=0)
    old_starts_at = models.DateTimeField(null=True, blank=True, help_text=_("Of a move: from when …"))
    new_starts_at = models.DateTimeField(null=True, blank=True, help_text=_("… to when."))
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ["id"]

    def __str__(self):
        return f"{self.from_status} → {self.to_status}"
