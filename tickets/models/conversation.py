import datetime as dt
import uuid

from django.conf import settings
from django.core.validators import MaxLengthValidator, ProhibitNullCharactersValidator
from django.db import models
from django.db.models import Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from tickets.models.ticket import TEXT_LENGTH, TITLE_LENGTH, Ticket

# Useful replies beyond that are neither shown in the article nor found by the search.
MAX_IN_ARTICLE = 100


class ReplyQuerySet(models.QuerySet):
    def visible_to(self, user):
        """Those of the tickets that `user` sees; staff notes for staff only."""
        rows = self.filter(ticket__in=Ticket.objects.visible_to(user))
        return rows if user.is_staff else rows.exclude(kind=Reply.Kind.NOTE)

    def public(self):
        """What an article shows besides the question and the solution; of each the first MAX_IN_ARTICLE."""
        return self.filter(kind=Reply.Kind.REPLY, is_useful=True)


class Reply(models.Model):
    """What somebody wrote in a ticket."""

    class Kind(models.TextChoices):
        REPLY = "reply", _("reply")
        SOLUTION = "solution", _("solution")
        NOTE = "note", _("staff note")

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="replies")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="ticket_replies")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.REPLY)
    text = models.TextField(
        _("text"),
        help_text=_("Markdown."),
        validators=[MaxLengthValidator(TEXT_LENGTH), ProhibitNullCharactersValidator()],
    )
    is_useful = models.BooleanField(default=False, help_text=_("Shown in the article beside the solution."))
    client_key = models.CharField(  # noqa: DJ001  unique where given
        max_length=100, null=True, blank=True, help_text=_("The same key is the same reply, however often it is sent.")
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    edited_at = models.DateTimeField(null=True, blank=True)

    # Set by actions on what they return: it was written before, with the same client_key.
    is_repeated = False

    objects = ReplyQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name = _("reply")
        verbose_name_plural = _("replies")
        constraints = [
            models.UniqueConstraint(fields=["ticket", "author", "client_key"], name="tickets_reply_once"),
        ]

    def __str__(self):
        return f"{self.get_kind_display()} {self.pk}"

    def get_absolute_url(self):
        return f"{self.ticket.get_absolute_url()}#reply-{self.pk}"

    @property
    def editable_until(self):
        return self.created_at + dt.timedelta(minutes=settings.REPLY_EDITABLE_MINUTES)

    def can_be_edited_by(self, user, now):
        """By its author, for a quarter of an hour, as long as the ticket takes replies."""
        return self.author_id == user.pk and now < self.editable_until and self.ticket.can_be_replied_to_by(user)


class Draft(models.Model):
    """A question that a student is still writing; one a person, so that a reload loses nothing."""

    student = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="ticket_draft")
    title = models.CharField(max_length=TITLE_LENGTH, blank=True)
    description = models.TextField(max_length=TEXT_LENGTH, blank=True)
    tags = models.CharField(max_length=500, blank=True, help_text=_("As typed."))
    is_public = models.BooleanField(default=True)
    saved_at = models.DateTimeField(default=timezone.now)

    def __str__(self):
        return self.title


def random_path(attachment, filename):
    """Where an uploaded file lies: nobody can guess it, and nothing of its name reaches the disk."""
    return f"tickets/{attachment.key.hex[:2]}/{attachment.key.hex}"


class AttachmentQuerySet(models.QuerySet):
    def visible_to(self, user):
        """Those of tickets and replies that `user` sees, of articles that `user` may read, and of the own draft."""
        tickets = Ticket.objects.visible_to(user)
        articles = Ticket.objects.readable_by(user)
        shown = (
            Q(ticket__in=articles)
            | Q(reply__solves__in=articles)
            | Q(reply__in=Reply.objects.public().filter(ticket__in=articles))
        )
        if not user.is_authenticated:
            return self.filter(shown)
        return self.filter(
            shown | Q(ticket__in=tickets) | Q(reply__in=Reply.objects.visible_to(user)) | Q(draft__student=user)
        )


class Attachment(models.Model):
    """A file that hangs on a ticket, on a reply or on a draft."""

    key = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, null=True, blank=True, related_name="attachments")
    reply = models.ForeignKey(Reply, on_delete=models.CASCADE, null=True, blank=True, related_name="attachments")
    draft = models.ForeignKey(Draft, on_delete=models.CASCADE, null=True, blank=True, related_name="attachments")
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="ticket_attachments"
    )
    file = models.FileField(upload_to=random_path, max_length=200)
    name = models.CharField(max_length=100, help_text=_("As it is shown and downloaded."))
    content_type = models.CharField(max_length=50, help_text=_("By its content, not by its name."))
    size_bytes = models.PositiveIntegerField()
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = AttachmentQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(ticket__isnull=False, reply=None, draft=None)
                | Q(ticket=None, reply__isnull=False, draft=None)
                | Q(ticket=None, reply=None, draft__isnull=False),
                name="tickets_attachment_hangs_on_one",
            ),
        ]

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("tickets:attachment", args=[self.key])

    @property
    def is_image(self):
        return self.content_type.startswith("image/")
