"""Other times that one side proposed."""

from django.contrib import admin
from django.utils.translation import gettext_lazy

from bookings.models import MoveProposal
from mentorbook.readonly import ReadOnlyAdmin, ReadOnlyInline, admin_link


class ProposalInline(ReadOnlyInline):
    model = MoveProposal
    fields = readonly_fields = [
        "created_at",
        "by",
        "starts_at",
        "ends_at",
        "price_points",
        "status",
        "answer_by",
        "reason",
    ]
    verbose_name_plural = gettext_lazy("other times that were proposed")

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("proposed_by")

    @admin.display(description=gettext_lazy("by"))
    def by(self, proposal):
        return admin_link(proposal.proposed_by)


@admin.register(MoveProposal)
class MoveProposalAdmin(ReadOnlyAdmin):
    list_display = ["appointment_title", "status", "proposed_by_link", "starts_at", "answer_by", "created_at"]
    list_filter = ["status", "by_mentor", "created_at"]
    search_fields = [
        "=id",
        "=appointment__id",
        "appointment__title",
        "proposed_by__name",
        "proposed_by__email",
    ]
    search_help_text = gettext_lazy("Number, title, or name or address of who proposed it")
    fields = [
        "appointment_link",
        "status",
        "proposed_by_link",
        "by_mentor",
        "starts_at",
        "ends_at",
        "price_points",
        "reason",
        "answer_by",
        "decided_at",
        "created_at",
    ]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("appointment", "proposed_by")

    @admin.display(description=gettext_lazy("session"), ordering="appointment__title")
    def appointment_title(self, proposal):
        return proposal.appointment.title

    @admin.display(description=gettext_lazy("session"))
    def appointment_link(self, proposal):
        return admin_link(proposal.appointment)

    @admin.display(description=gettext_lazy("proposed by"), ordering="proposed_by__name")
    def proposed_by_link(self, proposal):
        return admin_link(proposal.proposed_by)
