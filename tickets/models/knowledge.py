from django.conf import settings
from django.db import models
from django.utils import timezone

from tickets.models.ticket import Ticket


class Upvote(models.Model):
    """Somebody found an article helpful."""

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="upvotes")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="upvotes")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["ticket", "user"], name="tickets_upvote_once")]

    def __str__(self):
        return f"{self.user_id} → {self.ticket_id}"


class Bookmark(models.Model):
    """Somebody wants to find an article again."""

    ticket = models.ForeignKey(Ticket, on_delete=models.CASCADE, related_name="bookmarks")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="bookmarks")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["ticket", "user"], name="tickets_bookmark_once")]
        indexes = [models.Index(fields=["user", "-created_at"], name="tickets_bookmarks_of")]

    def __str__(self):
        return f"{self.user_id} → {self.ticket_id}"
