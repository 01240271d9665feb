from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bookings.models.appointment import Appointment


class MoveProposalQuerySet(models.QuerySet):
    def open(self):
        return self.filter(status=MoveProposal.Status.OPEN)

    def waiting_for(self, user, now):
        """Open ones that `user` may answer, the most urgent first."""
        of_mentor = Q(by_mentor=True) & (Q(appointment__student=user) | Q(appointment__group__owner=user))
        of_student = Q(by_mentor=False, appointment__mentor__user=user)
        return self.open().filter(of_mentor | of_student, answer_by__gt=now).order_by("answer_by", "id")

    def unanswered(self, now):
        """Open ones whose time to be answered is over, longest first."""
        return self.open().filter(answer_by__lte=now).order_by("answer_by", "id")


class MoveProposal(models.Model):
    """Another time that one side of an appointment proposes to the other. While it is open, the old time stays and the
    new one is held (`BusyTime`). Changed only by bookings.actions."""

    class Status(models.TextChoices):
        OPEN = "open", _("waiting for an answer")
        ACCEPTED = "accepted", _("accepted")
        DECLINED = "declined", _("declined")
        WITHDRAWN = "withdrawn", _("withdrawn")
        EXPIRED = "expired", _("not answered")
        OVERTAKEN = "overtaken", _("the appointment ended before")

    appointment = models.ForeignKey(Appointment, on_delete=models.PROTECT, related_name="proposals")
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    by_mentor = models.BooleanField(help_text=_("Which side proposes; the other one answers."))
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    price_points = models.PositiveIntegerField(help_text=_("What the session will cost at the new length."))
    reason = models.CharField(max_length=500, blank=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    answer_by = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = MoveProposalQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=F("starts_at")), name="bookings_move_ends_after_start"),
            models.UniqueConstraint(fields=["appointment"], condition=Q(status="open"), name="bookings_one_open_move"),
        ]
        indexes = [
            models.Index(fields=["answer_by"], condition=Q(status="open"), name="bookings_moves_unanswered"),
        ]

    def __str__(self):
        return f"{self.appointment}: {self.starts_at:%Y-%m-%d %H:%M}"

    @property
    def duration_minutes(self):
        return int((self.ends_at - self.starts_at).total_seconds() // 60)

    @property
    def extra_points(self):
        """What the session would cost more than now; below zero what would come back."""
        return self.price_points - self.appointment.price_points

    @property
    def returned_points(self):
        """What would come back."""
        return max(0, -self.extra_points)

    def is_open(self, now):
        return self.status == self.Status.OPEN and now < self.answer_by

    def is_unanswered(self, now):
        """An open one that ran out, whether or not somebody has tidied it up yet."""
        return self.status == self.Status.OPEN and now >= self.answer_by

    def is_made_by_side_of(self, user):
        """Whether `user` is on the side that proposes, and so may withdraw it."""
        appointment = self.appointment
        return appointment.is_mentored_by(user) if self.by_mentor else appointment.is_represented_by(user)

    def is_for_side_of(self, user):
        """Whether `user` is on the side that answers. Nobody agrees with themself, whoever is on both."""
        if self.is_made_by_side_of(user):
            return False
        appointment = self.appointment
        return appointment.is_represented_by(user) if self.by_mentor else appointment.is_mentored_by(user)

    def can_be_answered_by(self, user, now):
        """By the other side, in time."""
        return self.is_for_side_of(user) and self.is_open(now)

    def can_be_withdrawn_by(self, user, now):
        return self.is_made_by_side_of(user) and self.is_open(now)
