import datetime as dt

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bookings.models import Appointment
from tickets.models import Ticket

EDITABLE_FOR = dt.timedelta(hours=48)
ASKED_FOR = dt.timedelta(days=30)


class ReviewQuerySet(models.QuerySet):
    def shown(self, now):
        """Those that both sides wrote or that waited long enough, and that staff did not hide."""
        return self.filter(shown_at__lte=now, hidden_at=None)

    def of_mentors(self):
        return self.filter(about=Review.About.MENTOR)

    def received_lately(self, user, now):
        """What others wrote of `user` and what began to show within the last month."""
        return self.shown(now).filter(recipient=user, shown_at__gt=now - ASKED_FOR)

    def to_publish(self, now):
        """Those that began to show by themselves and that no rating counts yet."""
        return self.filter(shown_at__lte=now, published_at=None)

    def visible_to(self, user, now):
        """What students say of mentors is public once shown; what mentors say of students is for that student; one's
        own always; staff see all, but nobody reads what waits to be shown and is about themselves: they could answer
        a rating with a rating."""
        if user.is_staff:
            return self.exclude(recipient=user, shown_at__gt=now)
        shown = Q(shown_at__lte=now, hidden_at=None)
        return self.filter(Q(author=user) | (shown & Q(about=Review.About.MENTOR)) | (shown & Q(recipient=user)))


class Review(models.Model):
    """A rating with words: of one person by the other after a session, or of the mentor after a ticket."""

    class About(models.TextChoices):
        MENTOR = "mentor", _("of the mentor")
        STUDENT = "student", _("of the student")

    appointment = models.ForeignKey(
        Appointment, on_delete=models.PROTECT, null=True, blank=True, related_name="reviews"
    )
    ticket = models.ForeignKey(Ticket, on_delete=models.PROTECT, null=True, blank=True, related_name="reviews")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews_written")
    recipient = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="reviews_received")
    about = models.CharField(max_length=10, choices=About.choices)
    rating = models.PositiveSmallIntegerField(_("rating"), validators=[MinValueValidator(1), MaxValueValidator(5)])
    comment = models.TextField(_("comment"), max_length=2000, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    edited_at = models.DateTimeField(null=True, blank=True, editable=False)
    shown_at = models.DateTimeField(help_text=_("From then on others see it."))
    published_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text=_("Since then the mentor's rating counts it.")
    )
    hidden_at = models.DateTimeField(null=True, blank=True, help_text=_("Hidden by staff since then."))
    hidden_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    hidden_reason = models.CharField(max_length=200, blank=True)

    objects = ReviewQuerySet.as_manager()

    class Meta:
        ordering = ["-shown_at", "-id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(appointment__isnull=False, ticket=None)
                | Q(appointment=None, ticket__isnull=False, about="mentor"),
                name="feedback_of_session_or_ticket",
            ),
            models.UniqueConstraint(fields=["appointment", "author"], name="feedback_one_a_person_and_session"),
            models.UniqueConstraint(fields=["ticket", "author"], name="feedback_one_a_person_and_ticket"),
            models.CheckConstraint(condition=Q(rating__gte=1, rating__lte=5), name="feedback_rating_1_to_5"),
            models.CheckConstraint(condition=~Q(author=F("recipient")), name="feedback_not_of_oneself"),
        ]
        indexes = [
            models.Index(fields=["recipient", "about", "-shown_at"], name="feedback_of_person"),
            models.Index(fields=["shown_at"], condition=Q(published_at=None), name="feedback_to_publish"),
        ]

    def __str__(self):
        return f"{self.rating}/5, {self.author} → {self.recipient}"

    def get_absolute_url(self):
        return f"{self.subject.get_absolute_url()}#reviews"

    @property
    def subject(self):
        """The appointment or the ticket that it is about; both have a title and a mentor."""
        return self.appointment or self.ticket

    @property
    def is_hidden(self):
        return self.hidden_at is not None

    def is_shown(self, now):
        """Whether others than its author see it."""
        return self.shown_at <= now and not self.is_hidden

    def is_seen_by_staff(self, user, now):
        """Whether `user`, beside what others see, sees it as staff do: as `visible_to` has it."""
        return user.is_staff and (user.pk != self.recipient_id or self.shown_at <= now)

    @property
    def editable_until(self):
        return min(self.created_at + EDITABLE_FOR, self.shown_at)

    def can_be_edited_by(self, user, now):
        return user.pk == self.author_id and not self.is_hidden and now < self.editable_until


def sessions_to_review(user, now):
    """Completed sessions of the last month that `user` may still review, newest first."""
    mine = Review.objects.filter(appointment=OuterRef("pk"), author=user)
    seen = Review.objects.shown(now).filter(appointment=OuterRef("pk"), recipient=user)
    return (
        Appointment.objects.of_person(user)
        .filter(
            ~Exists(mine),
            ~Exists(seen),
            status=Appointment.Status.COMPLETED,
            ends_at__gt=now - ASKED_FOR,
        )
        .with_people()
        .order_by("-ends_at", "-id")
    )


def tickets_to_review(user, now):
    """Tickets of `user` that were closed within the last month and wait for a review of their mentor, newest first."""
    mine = Review.objects.filter(ticket=OuterRef("pk"), author=user)
    return (
        Ticket.objects.of_student(user)
        .filter(~Exists(mine), status=Ticket.Status.CLOSED, closed_at__gt=now - ASKED_FOR)
        .with_people()
        .order_by("-closed_at", "-id")
    )
