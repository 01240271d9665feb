"""Sessions, what belongs to them, and series of them. The buttons call the actions."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from bookings import actions
from bookings.admin.moving import ProposalInline
from bookings.forms import ReasonForm
from bookings.models import Appointment, AppointmentEvent
from mentorbook.readonly import ReadOnlyAdmin, ReadOnlyInline, admin_link
from mentorbook.refusals import refusals_on

MOST_AT_ONCE = 200  # what fits an address


class EventInline(ReadOnlyInline):
    model = AppointmentEvent
    fields = readonly_fields = [
        "created_at",
        "what",
        "from_status",
        "to_status",
        "by",
        "reason",
        "points_returned",
        "points_paid",
    ]
    verbose_name_plural = gettext_lazy("history")

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("actor")

    @admin.display(description=gettext_lazy("by"))
    def by(self, event):
        return admin_link(event.actor) if event.actor else _("by itself")


class OverdueFilter(admin.SimpleListFilter):
    title = gettext_lazy("overdue")
    parameter_name = "overdue"

    def lookups(self, request, model_admin):
        return [("answer", _("not answered in time")), ("completion", _("over and not completed"))]

    def queryset(self, request, appointments):
        now = timezone.now()
        if self.value() == "answer":
            return appointments.filter(status=Appointment.Status.REQUESTED, answer_by__lte=now)
        if self.value() == "completion":
            return appointments.filter(status=Appointment.Status.CONFIRMED, ends_at__lte=now)
        return appointments


@admin.register(Appointment)
class AppointmentAdmin(ReadOnlyAdmin):
    list_display = ["title", "status", "mentor_link", "student_link", "starts_at", "ends_at", "price_points"]
    list_filter = ["status", OverdueFilter, "kind", ("series", admin.EmptyFieldListFilter), "starts_at", "created_at"]
    list_select_related = ["mentor__user", "student"]
    search_fields = [
        "=id",
        "title",
        "student__name",
        "student__email",
        "mentor__user__name",
        "mentor__user__email",
        "group__name",
    ]
    search_help_text = gettext_lazy("Number, title, project group, or name or address of one of the people")
    show_full_result_count = False
    actions = ["cancel", "settle_overdue"]
    change_form_template = "admin/bookings/appointment/change_form.html"
    inlines = [EventInline, ProposalInline]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "title",
                    "description",
                    "status",
                    "dispute_link",
                    "kind",
                    "mentor_link",
                    "student_link",
                    "group_link",
                    "ticket_link",
                    "series_link",
                    "on_the_site",
                ]
            },
        ),
        (
            gettext_lazy("Time"),
            {
                "fields": [
                    "starts_at",
                    "ends_at",
                    "agreed_local_start",
                    "agreed_timezone",
                    "blocked_from",
                    "blocked_until",
                    "answer_by",
                    "timed_at",
                    "reminded_day_before",
                    "reminded_hour_before",
                ]
            },
        ),
        (
            gettext_lazy("Money"),
            {
                "fields": [
                    "price_points",
                    "cancel_free_until",
                    "late_refund_percent",
                    "payer_link",
                    "escrow_link",
                    "held_points",
                ]
            },
        ),
        (gettext_lazy("More"), {"fields": ["meeting_url", "booked_by", "idempotency_key", "sequence", "created_at"]}),
    ]

    def get_queryset(self, request):
        return (
            super()
            .get_queryset(request)
            .select_related("mentor__user", "student", "payer__user", "payer__group", "escrow", "booked_by")
            .select_related("group", "ticket", "series__mentor__user", "dispute")
        )

    def get_urls(self):
        cancel = path("cancel/", self.admin_site.admin_view(self.cancel_view), name="bookings_appointment_cancel")
        return [cancel, *super().get_urls()]

    @admin.display(description=gettext_lazy("mentor"), ordering="mentor__user__name")
    def mentor_link(self, appointment):
        return admin_link(appointment.mentor)

    @admin.display(description=gettext_lazy("student"), ordering="student__name")
    def student_link(self, appointment):
        return admin_link(appointment.student)

    @admin.display(description=gettext_lazy("project group"))
    def group_link(self, appointment):
        return admin_link(appointment.group)

    @admin.display(description=gettext_lazy("ticket"))
    def ticket_link(self, appointment):
        return admin_link(appointment.ticket)

    @admin.display(description=gettext_lazy("series"))
    def series_link(self, appointment):
        return admin_link(appointment.series)

    @admin.display(description=gettext_lazy("dispute"))
    def dispute_link(self, appointment):
        dispute = getattr(appointment, "dispute", None)
        if dispute is None:
            return "–"
        return format_html("{} ({})", admin_link(dispute), _("decided") if dispute.is_decided else _("waits for staff"))

    @admin.display(description=gettext_lazy("payer"))
    def payer_link(self, appointment):
        return admin_link(appointment.payer)

    @admin.display(description=gettext_lazy("escrow"))
    def escrow_link(self, appointment):
        return admin_link(appointment.escrow)

    @admin.display(description=gettext_lazy("points held now"))
    def held_points(self, appointment):
        return appointment.escrow.balance_points

    @admin.display(description=gettext_lazy("on the site"))
    def on_the_site(self, appointment):
        return format_html('<a href="{}">{}</a>', appointment.get_absolute_url(), _("Page"))

    def has_act_permission(self, request):
        return request.user.has_perm("bookings.change_appointment")

    def change_view(self, request, object_id, form_url="", extra_context=None):
        appointment = self.get_object(request, object_id)
        can_cancel = (
            appointment is not None
            and self.has_act_permission(request)
            and appointment.can_be_cancelled_by(request.user, timezone.now())
        )
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "can_cancel": can_cancel})

    @admin.action(description=gettext_lazy("Cancel …"), permissions=["act"])
    def cancel(self, request, appointments):
        ids = list(appointments.order_by("pk").values_list("pk", flat=True)[: MOST_AT_ONCE + 1])
        if len(ids) > MOST_AT_ONCE:
            self.message_user(
                request, _("Choose at most %(most)d sessions at once.") % {"most": MOST_AT_ONCE}, messages.ERROR
            )
            return None
        return redirect(f"{reverse('admin:bookings_appointment_cancel')}?ids={','.join(map(str, ids))}")

    @admin.action(description=gettext_lazy("Settle what is overdue: expire or complete"), permissions=["act"])
    def settle_overdue(self, request, appointments):
        now = timezone.now()
        settled = 0
        for appointment in appointments:
            if appointment.is_unanswered(now):
                settled += actions.expire_request(appointment, now=now)
            elif appointment.status == Appointment.Status.CONFIRMED and actions.completes_at(appointment) <= now:
                settled += self._done(
                    request, lambda row=appointment: actions.complete_appointment(row, by=None, now=now)
                )
        self.message_user(
            request,
            ngettext("%(count)d session settled.", "%(count)d sessions settled.", settled) % {"count": settled},
            messages.SUCCESS if settled else messages.INFO,
        )

    def cancel_view(self, request):
        """Say which sessions and what comes back, ask why, and cancel each; what cannot be cancelled says so."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        chosen = self._chosen(request)
        now = timezone.now()
        form = StaffReasonForm(request.POST or None)
        if form.is_valid():
            cancelled = 0
            for appointment in chosen:
                cancelled += self._done(
                    request,
                    lambda row=appointment: actions.cancel_appointment(
                        row, by=request.user, now=now, **form.cleaned_data
                    ),
                )
            self.message_user(
                request,
                ngettext("%(count)d session cancelled.", "%(count)d sessions cancelled.", cancelled)
                % {"count": cancelled},
                messages.SUCCESS if cancelled else messages.WARNING,
            )
            return redirect("admin:bookings_appointment_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Cancel sessions"),
            "opts": self.model._meta,
            "rows": [
                (row, row.can_be_cancelled_by(request.user, now), row.refund_if_cancelled(request.user, now))
                for row in chosen
            ],
            "form": form,
            "back_url": reverse("admin:bookings_appointment_changelist"),
        }
        status = 422 if form.is_bound else 200
        return TemplateResponse(request, "admin/bookings/appointment/cancel.html", context, status=status)

    def _chosen(self, request):
        ids = request.GET.get("ids", "").split(",")
        if len(ids) > MOST_AT_ONCE or not all(number.isascii() and number.isdigit() for number in ids):
            raise Http404
        chosen = list(self.get_queryset(request).filter(pk__in=[int(number[:18]) for number in ids]).order_by("pk"))
        if not chosen:
            raise Http404
        return chosen

    def _done(self, request, act):
        """Whether the action was done; a refusal is told and the others go on."""
        button = forms.Form({})
        with refusals_on(button):
            appointment = act()
            LogEntry.objects.log_actions(
                user_id=request.user.pk,
                queryset=[appointment],
                action_flag=CHANGE,
                change_message=appointment.get_status_display(),
                single_object=True,
            )
            return True
        self.message_user(request, button.refusal.message, messages.WARNING)
        return False


class StaffReasonForm(ReasonForm):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["reason"].required = True
        self.fields["reason"].help_text = gettext_lazy("Both sides read it.")
