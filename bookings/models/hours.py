from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from mentors.models import MentorProfile

DAY_MINUTES = 24 * 60
MOST_WINDOWS_A_DAY = 6


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
