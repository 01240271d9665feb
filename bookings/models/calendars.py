from urllib.parse import urlsplit

from django.conf import settings
from django.core.validators import URLValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mentors.models import MentorProfile


class CalendarSettings(models.Model):
    """What a person chose about calendars: when to be reminded, and which secret address leads to their feed."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="calendar_settings")
    remind_day_before = models.BooleanField(_("remind me a day before"), default=True)
    remind_hour_before = models.BooleanField(_("remind me an hour before"), default=True)
    feed_number = models.CharField(
        max_length=32, blank=True, help_text=_("Signed, it is the feed's address; empty: none; another replaces it.")
    )

    class Meta:
        verbose_name_plural = _("calendar settings")
        constraints = [
            models.UniqueConstraint(
                fields=["feed_number"], condition=~models.Q(feed_number=""), name="bookings_feed_number_once"
            )
        ]

    def __str__(self):
        return f"{self.user}"


class CalendarImportQuerySet(models.QuerySet):
    def due(self, now):
        return self.filter(next_fetch_at__lte=now).order_by("next_fetch_at", "id")


class CalendarImport(models.Model):
    """A calendar elsewhere whose busy times are the mentor's too (`BusyTime`). Read again and again by a job."""

    MOST = 5

    mentor = models.ForeignKey(MentorProfile, on_delete=models.CASCADE, related_name="calendar_imports")
    name = models.CharField(_("name"), max_length=80, blank=True)
    url = models.URLField(
        _("address of the calendar"), max_length=1000, validators=[URLValidator(schemes=["http", "https"])]
    )
    etag = models.CharField(max_length=200, blank=True, editable=False)
    fetched_at = models.DateTimeField(null=True, blank=True, editable=False, help_text=_("Last read in full."))
    next_fetch_at = models.DateTimeField(default=timezone.now, editable=False)
    failures = models.PositiveSmallIntegerField(default=0, editable=False, help_text=_("In a row."))
    error = models.CharField(
        max_length=300, blank=True, editable=False, help_text=_("What went wrong last time, as a code.")
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = CalendarImportQuerySet.as_manager()

    class Meta:
        ordering = ["id"]
        verbose_name = _("imported calendar")
        constraints = [models.UniqueConstraint(fields=["mentor", "url"], name="bookings_calendar_once")]
        indexes = [models.Index(fields=["next_fetch_at"], name="bookings_calendars_due")]

    def __str__(self):
        return self.shown_name

    @property
    def host(self):
        """Where it is. The rest of the address is a secret that opens the whole calendar: it is shown to nobody."""
        return urlsplit(self.url).hostname or ""

    @property
    def shown_name(self):
        return self.name or self.host
