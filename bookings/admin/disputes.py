"""What students say was not as promised: both sides' words, the points that wait, and the decision."""

from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bookings import actions
from bookings.forms_disputes import DecisionForm
from bookings.models import Dispute
from mentorbook.readonly import ReadOnlyAdmin, admin_link
from mentorbook.refusals import form_status, refusals_on


class DecidedFilter(admin.SimpleListFilter):
    title = gettext_lazy("decided")
    parameter_name = "decided"

    def lookups(self, request, model_admin):
        return [("no", _("No, waits for staff")), ("yes", _("Yes"))]

    def queryset(self, request, disputes):
        if self.value() in ("yes", "no"):
            return disputes.filter(decided_at__isnull=self.value() == "no")
        return disputes


@admin.register(Dispute)
class DisputeAdmin(ReadOnlyAdmin):
    """The undecided ones first, and of those the oldest."""

    ordering = Dispute._meta.ordering
    list_display = ["title", "state", "mentor_link", "student_link", "price", "held_points", "created_at", "decided_at"]
    list_filter = [DecidedFilter, "was_completed", "created_at", "decided_at"]
    search_fields = [
        "=id",
        "=appointment__id",
        "reason",
        "appointment__title",
        "appointment__student__name",
        "appointment__student__email",
        "appointment__mentor__user__name",
        "appointment__mentor__user__email",
    ]
    search_help_text = gettext_lazy("Number, title, words, or name or address of one of the people")
    show_full_result_count = False
    change_form_template = "admin/bookings/dispute/change_form.html"
    fieldsets = [
        (None, {"fields": ["appointment_link", "state", "mentor_link", "student_link", "group_link"]}),
        (
            gettext_lazy("What they say"),
            {"fields": ["opened_by_link", "reason", "created_at", "answer", "answered_at"]},
        ),
        (gettext_lazy("Money"), {"fields": ["price", "held_points", "was_completed", "payer_link", "escrow_link"]}),
        (
            gettext_lazy("Decision"),
            {"fields": ["decided_by_link", "decided_at", "decision", "points_returned", "points_paid"]},
        ),
    ]

    def get_queryset(self, request):
        return (
            super()
            .get_queryset(request)
            .select_related(
                "appointment__mentor__user",
                "appointment__student",
                "appointment__group",
                "appointment__escrow",
                "appointment__payer__user",
                "appointment__payer__group",
                "opened_by",
                "decided_by",
            )
        )

    def get_urls(self):
        decide = path("<int:pk>/decide/", self.admin_site.admin_view(self.decide_view), name="bookings_dispute_decide")
        return [decide, *super().get_urls()]

    @admin.display(description=gettext_lazy("session"), ordering="appointment__title")
    def title(self, dispute):
        return dispute.appointment.title

    @admin.display(description=gettext_lazy("session"))
    def appointment_link(self, dispute):
        page = dispute.appointment.get_absolute_url()
        return format_html('{} · <a href="{}">{}</a>', admin_link(dispute.appointment), page, _("on the site"))

    @admin.display(description=gettext_lazy("state"), ordering="decided_at")
    def state(self, dispute):
        return _("decided") if dispute.is_decided else _("waits for staff")

    @admin.display(description=gettext_lazy("mentor"), ordering="appointment__mentor__user__name")
    def mentor_link(self, dispute):
        return admin_link(dispute.appointment.mentor)

    @admin.display(description=gettext_lazy("student"), ordering="appointment__student__name")
    def student_link(self, dispute):
        return admin_link(dispute.appointment.student)

    @admin.display(description=gettext_lazy("project group"))
    def group_link(self, dispute):
        return admin_link(dispute.appointment.group)

    @admin.display(description=gettext_lazy("price"), ordering="appointment__price_points")
    def price(self, dispute):
        return dispute.appointment.price_points

    @admin.display(description=gettext_lazy("points held now"), ordering="appointment__escrow__balance_points")
    def held_points(self, dispute):
        return dispute.appointment.escrow.balance_points

    @admin.display(description=gettext_lazy("who paid"))
    def payer_link(self, dispute):
        return admin_link(dispute.appointment.payer)

    @admin.display(description=gettext_lazy("escrow"))
    def escrow_link(self, dispute):
        return admin_link(dispute.appointment.escrow)

    @admin.display(description=gettext_lazy("disputed by"))
    def opened_by_link(self, dispute):
        return admin_link(dispute.opened_by)

    @admin.display(description=gettext_lazy("decided by"))
    def decided_by_link(self, dispute):
        return admin_link(dispute.decided_by)

    def change_view(self, request, object_id, form_url="", extra_context=None):
        dispute = self.get_object(request, object_id)
        can_decide = dispute is not None and dispute.can_be_decided_by(request.user)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "can_decide": can_decide})

    def decide_view(self, request, pk):
        """Both sides' words, what is held, and the split."""
        # The model's own permission, which the rows of this admin do not need: nobody changes them by hand.
        if not request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}"):
            raise PermissionDenied
        dispute = get_object_or_404(self.get_queryset(request), pk=pk)
        appointment = dispute.appointment
        page = reverse("admin:bookings_dispute_change", args=[dispute.pk])
        form = DecisionForm(request.POST if request.method == "POST" else None, appointment=appointment)
        if form.is_valid():
            with refusals_on(form):
                actions.decide_dispute(appointment, by=request.user, now=timezone.now(), **form.decision)
                LogEntry.objects.log_actions(
                    user_id=request.user.pk,
                    queryset=[dispute],
                    action_flag=CHANGE,
                    change_message=_("Decided."),
                    single_object=True,
                )
                messages.success(request, _("Decided. Both sides are told."))
                return redirect(page)
        elif not form.is_bound and not dispute.can_be_decided_by(request.user):
            messages.warning(request, self._why_not(dispute))
            return redirect(page)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Decide a dispute"),
            "opts": self.opts,
            "dispute": dispute,
            "appointment": appointment,
            "events": appointment.events.select_related("actor"),
            "held_points": appointment.escrow.balance_points,
            "most_points": actions.points_to_decide(appointment),
            "form": form,
            "back_url": page,
        }
        return TemplateResponse(request, "admin/bookings/dispute/decide.html", context, status=form_status(form))

    def _why_not(self, dispute):
        if dispute.is_decided:
            return actions.DisputeDecided.message
        return _("You took part in this session, so somebody else has to decide.")
