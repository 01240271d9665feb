from django.conf import settings
from django.db import models
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Kind(models.TextChoices):
    """What can be told. The words are in `notifications/<kind>.txt` of the app that tells it."""

    APPOINTMENT_REQUESTED = "appointment_requested", _("A session was requested")
    APPOINTMENT_CONFIRMED = "appointment_confirmed", _("A session was confirmed")
    APPOINTMENT_DECLINED = "appointment_declined", _("A session was declined")
    APPOINTMENT_CANCELLED = "appointment_cancelled", _("A session was cancelled")
    APPOINTMENT_EXPIRED = "appointment_expired", _("A request expired")
    APPOINTMENT_COMPLETED = "appointment_completed", _("A session was completed")
    APPOINTMENT_NO_SHOW = "appointment_no_show", _("A student did not come")
    APPOINTMENT_SERIES = "appointment_series", _("A series of sessions was booked")
    SERIES_CANCELLED = "series_cancelled", _("The rest of a series was cancelled")
    APPOINTMENT_REMINDER = "appointment_reminder", _("A session is near")
    APPOINTMENT_DISPUTED = "appointment_disputed", _("A session is disputed")
    DISPUTE_DECIDED = "dispute_decided", _("A dispute was decided")
    MOVE_PROPOSED = "move_proposed", _("Another time was proposed")
    MOVE_DECLINED = "move_declined", _("Another time was declined")
    MOVE_ENDED = "move_ended", _("A proposed time was withdrawn or not answered")
    APPOINTMENT_MOVED = "appointment_moved", _("A session was moved")
    WAITING_OFFER = "waiting_offer", _("A time on a full day is held")
    WAITING_OVER = "waiting_over", _("A held time was passed on")
    CALENDAR_BROKEN = "calendar_broken", _("An imported calendar cannot be read")
    GROUP_INVITED = "group_invited", _("An invitation to a project group")
    GROUP_CHANGED = "group_changed", _("A change in a project group")
    GROUP_CONTRIBUTION = "group_contribution", _("Points for a project group")
    TICKET_ACCEPTED = "ticket_accepted", _("A mentor took a ticket")
    TICKET_RELEASED = "ticket_released", _("A ticket went back to the queue")
    TICKET_REPLY = "ticket_reply", _("A reply to a ticket")
    TICKET_RESOLVED = "ticket_resolved", _("A ticket was solved")
    TICKET_REOPENED = "ticket_reopened", _("A ticket was reopened")
    TICKET_CLOSED = "ticket_closed", _("A ticket was closed")
    TICKET_ASSIGNED = "ticket_assigned", _("Staff handed over a ticket")
    TICKET_NUDGE = "ticket_nudge", _("A student waits for an answer")
    TICKET_CLOSES_SOON = "ticket_closes_soon", _("A solved ticket closes soon")
    REVIEW_RECEIVED = "review_received", _("A review was received")
    MENTOR_APPROVED = "mentor_approved", _("A mentor profile was approved")
    MENTOR_DECLINED = "mentor_declined", _("A mentor profile was declined")


class NotificationQuerySet(models.QuerySet):
    def visible_to(self, user):
        return self.filter(recipient=user)

    def unread(self):
        return self.filter(read_at=None)


class Notification(models.Model):
    """Something a person is told, in the words and the time zone that were theirs when it happened."""

    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notifications")
    kind = models.CharField(max_length=40, choices=Kind.choices)
    occasion = models.CharField(max_length=100, help_text=_("What happened; the same occasion is told once."))
    title = models.CharField(max_length=200)
    body = models.TextField(blank=True)
    url = models.CharField(max_length=500, help_text=_("Path of the page it points to."))
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    read_at = models.DateTimeField(null=True, blank=True)

    objects = NotificationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["recipient", "kind", "occasion"], name="notifications_told_once"),
        ]
        indexes = [
            models.Index(fields=["recipient", "-id"], name="notifications_of_person"),
            models.Index(fields=["recipient"], condition=models.Q(read_at=None), name="notifications_unread"),
        ]

    def __str__(self):
        return self.title

    def get_absolute_url(self):
        return reverse("notifications:open", args=[self.pk])


class OutgoingEmailQuerySet(models.QuerySet):
    def due(self, now):
        """Those that a worker may take: waiting for their turn, or left behind by a worker that died."""
        return self.filter(status__in=OutgoingEmail.OPEN, next_attempt_at__lte=now)


class OutgoingEmail(models.Model):
    """A mail that was promised in the same transaction as what it tells, and is sent after the commit."""

    class Status(models.TextChoices):
        WAITING = "waiting", _("waiting")
        SENDING = "sending", _("sending")
        SENT = "sent", _("sent")
        FAILED = "failed", _("failed for good")
        SKIPPED = "skipped", _("not needed")

    OPEN = (Status.WAITING, Status.SENDING)

    notification = models.OneToOneField(
        Notification,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="email",
        help_text=_("Empty: to somebody who has no account here."),
    )
    to = models.EmailField()
    subject = models.CharField(max_length=200)
    body = models.TextField()
    # One file that goes with it, as text: what was true when it was promised, whenever it is sent.
    attachment_name = models.CharField(max_length=100, blank=True)
    attachment_type = models.CharField(max_length=100, blank=True)
    attachment_text = models.TextField(blank=True)
    message_id = models.CharField(max_length=200, unique=True, help_text=_("The same at every attempt."))
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(
        default=timezone.now, help_text=_("While it is being sent: when another worker may take it over.")
    )
    last_error = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    sent_at = models.DateTimeField(null=True, blank=True)

    objects = OutgoingEmailQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        verbose_name = _("outgoing e-mail")
        indexes = [
            models.Index(
                fields=["next_attempt_at"],
                condition=models.Q(status__in=["waiting", "sending"]),
                name="notifications_mail_due",
            )
        ]

    def __str__(self):
        return f"{self.subject} → {self.to}"
