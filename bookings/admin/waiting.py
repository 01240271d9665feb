"""Who waits for a full day, and what takes mentors' time besides sessions, to be read."""

from django.contrib import admin
from django.utils.translation import gettext_lazy

from bookings.admin.of_mentor import OfMentorAdmin
from bookings.models import BusyTime, WaitingListEntry
from mentorbook.readonly import admin_link


@admin.register(WaitingListEntry)
class WaitingListEntryAdmin(OfMentorAdmin):
    list_display = ["date", "mentor_link", "student_link", "duration_minutes", "status", "offered_until", "created_at"]
    list_filter = ["status", "date"]
    list_select_related = ["mentor__user", "student"]
    search_fields = [*OfMentorAdmin.search_fields, "student__name", "student__email"]
    ordering = ["-created_at", "-id"]
    fields = [
        "mentor_link",
        "student_link",
        "date",
        "timezone",
        "since",
        "until",
        "duration_minutes",
        "status",
        "offered_starts_at",
        "offered_until",
        "created_at",
    ]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("student")

    @admin.display(description=gettext_lazy("student"), ordering="student__name")
    def student_link(self, row):
        return admin_link(row.student)


@admin.register(BusyTime)
class BusyTimeAdmin(OfMentorAdmin):
    list_display = ["starts_at", "ends_at", "mentor_link", "kind", "student_link", "expires_at"]
    list_filter = ["kind", "starts_at"]
    list_select_related = ["mentor__user", "student"]
    search_fields = [*OfMentorAdmin.search_fields, "student__name", "student__email"]
    ordering = ["-starts_at", "-id"]
    fields = [
        "kind",
        "mentor_link",
        "student_link",
        "starts_at",
        "ends_at",
        "blocked_from",
        "blocked_until",
        "expires_at",
        "proposal_link",
        "entry_link",
        "calendar_link",
    ]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("student", "proposal", "entry", "calendar")

    @admin.display(description=gettext_lazy("for whom"), ordering="student__name")
    def student_link(self, row):
        return admin_link(row.student)

    @admin.display(description=gettext_lazy("of the proposal"))
    def proposal_link(self, row):
        return admin_link(row.proposal)

    @admin.display(description=gettext_lazy("of the place in line"))
    def entry_link(self, row):
        return admin_link(row.entry)

    @admin.display(description=gettext_lazy("of the calendar"))
    def calendar_link(self, row):
        return admin_link(row.calendar)
