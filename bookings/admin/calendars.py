"""Other people's calendars, without the secrets in their addresses."""

from django.contrib import admin
from django.utils.translation import gettext_lazy

from bookings.admin.of_mentor import OfMentorAdmin
from bookings.calendar_import import describe
from bookings.models import CalendarImport, CalendarSettings
from mentorbook.readonly import ReadOnlyAdmin, admin_link


@admin.register(CalendarImport)
class CalendarImportAdmin(OfMentorAdmin):
    list_display = ["shown_name", "mentor_link", "host", "fetched_at", "failures", "problem", "next_fetch_at"]
    list_filter = ["failures"]
    search_fields = [*OfMentorAdmin.search_fields, "name"]
    fields = ["name", "mentor_link", "host", "created_at", "fetched_at", "failures", "problem", "next_fetch_at"]

    @admin.display(description=gettext_lazy("name"))
    def shown_name(self, calendar):
        return calendar.shown_name

    @admin.display(description=gettext_lazy("server"))
    def host(self, calendar):
        return calendar.host

    @admin.display(description=gettext_lazy("what went wrong"))
    def problem(self, calendar):
        return describe(calendar.error) if calendar.error else ""


@admin.register(CalendarSettings)
class CalendarSettingsAdmin(ReadOnlyAdmin):
    list_display = ["user", "remind_day_before", "remind_hour_before", "has_feed"]
    list_filter = ["remind_day_before", "remind_hour_before"]
    list_select_related = ["user"]
    search_fields = ["user__name", "user__email"]
    fields = ["person", "remind_day_before", "remind_hour_before", "has_feed"]

    @admin.display(description=gettext_lazy("person"))
    def person(self, chosen):
        return admin_link(chosen.user)

    @admin.display(description=gettext_lazy("feed"), boolean=True)
    def has_feed(self, chosen):
        return bool(chosen.feed_number)
