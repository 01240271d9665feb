"""When mentors work, to be read."""

from django.contrib import admin
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bookings.admin.of_mentor import OfMentorAdmin
from bookings.editor import Window
from bookings.models import DateOverride, WeeklyHours


@admin.register(WeeklyHours)
class WeeklyHoursAdmin(OfMentorAdmin):
    list_display = ["mentor_link", "weekday", "hours"]
    list_display_links = None
    list_filter = ["weekday"]
    ordering = ["mentor_id", "weekday", "start_minute"]
    fields = ["mentor_link", "weekday", "hours"]

    @admin.display(description=gettext_lazy("hours"), ordering="start_minute")
    def hours(self, row):
        return Window(row.start_minute, row.end_minute).label


@admin.register(DateOverride)
class DateOverrideAdmin(OfMentorAdmin):
    list_display = ["date", "mentor_link", "hours", "note"]
    list_filter = ["date"]
    ordering = ["-date", "mentor_id"]
    fields = ["date", "mentor_link", "hours", "note"]

    @admin.display(description=gettext_lazy("hours"))
    def hours(self, row):
        return ", ".join(Window(*window).label for window in row.windows) or _("off")
