"""Sessions that were booked together."""

from django.contrib import admin
from django.utils.translation import gettext_lazy

from bookings.models import Appointment, AppointmentSeries
from mentorbook.readonly import ReadOnlyAdmin, ReadOnlyInline, admin_link


class SessionsInline(ReadOnlyInline):
    model = Appointment
    fk_name = "series"
    fields = readonly_fields = ["session", "status", "starts_at", "price_points"]
    ordering = ["starts_at", "id"]
    verbose_name_plural = gettext_lazy("sessions")

    @admin.display(description=gettext_lazy("session"))
    def session(self, appointment):
        return admin_link(appointment)


@admin.register(AppointmentSeries)
class AppointmentSeriesAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "mentor_link", "booked_by_link", "weeks", "created_at"]
    list_filter = ["weeks", "created_at"]
    search_fields = [
        "=id",
        "booked_by__name",
        "booked_by__email",
        "mentor__user__name",
        "mentor__user__email",
    ]
    search_help_text = gettext_lazy("Number, or name or address of one of the people")
    fields = ["mentor_link", "booked_by_link", "weeks", "idempotency_key", "created_at"]
    inlines = [SessionsInline]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("mentor__user", "booked_by")

    @admin.display(description=gettext_lazy("mentor"), ordering="mentor__user__name")
    def mentor_link(self, series):
        return admin_link(series.mentor)

    @admin.display(description=gettext_lazy("booked by"), ordering="booked_by__name")
    def booked_by_link(self, series):
        return admin_link(series.booked_by)
