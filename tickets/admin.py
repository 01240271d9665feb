"""Tickets for staff: everything to look at, nothing to change by hand. The buttons call the actions."""

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.http import Http404
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from mentorbook.readonly import ReadOnlyAdmin, ReadOnlyInline, admin_link
from mentorbook.refusals import form_status, refusals_on
from mentors.models import MentorProfile
from tickets.actions import hide_article, reassign_ticket, show_article
from tickets.models import REASON_LENGTH, Attachment, Bookmark, Draft, Reply, Ticket, TicketEvent, Upvote


class EventInline(ReadOnlyInline):
    model = TicketEvent
    fields = readonly_fields = ["created_at", "kind", "from_status", "to_status", "by", "about", "reason"]
    verbose_name_plural = gettext_lazy("history")

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("actor", "mentor__user")

    @admin.display(description=gettext_lazy("by"))
    def by(self, event):
        return admin_link(event.actor) if event.actor else _("by itself")

    @admin.display(description=gettext_lazy("mentor"))
    def about(self, event):
        return admin_link(event.mentor)


class ReplyInline(ReadOnlyInline):
    model = Reply
    fields = readonly_fields = ["created_at", "kind", "by", "text", "is_useful", "edited_at"]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("author")

    @admin.display(description=gettext_lazy("by"))
    def by(self, reply):
        return admin_link(reply.author)


class AttachmentInline(ReadOnlyInline):
    model = Attachment
    fields = readonly_fields = ["file_link", "content_type", "size_bytes", "created_at"]

    @admin.display(description=gettext_lazy("file"))
    def file_link(self, attachment):
        return format_html('<a href="{}">{}</a>', attachment.get_absolute_url(), attachment)


class ArticleFilter(admin.SimpleListFilter):
    title = gettext_lazy("knowledge base")
    parameter_name = "article"

    def lookups(self, request, model_admin):
        return [("yes", _("can be read")), ("hidden", _("hidden by staff")), ("private", _("solved, not to be read"))]

    def queryset(self, request, tickets):
        if self.value() == "yes":
            return tickets.articles()
        if self.value() == "hidden":
            return tickets.filter(hidden_at__isnull=False)
        if self.value() == "private":
            return tickets.filter(status__in=Ticket.SOLVED, is_public=False)
        return tickets


class ReasonForm(ActionForm):
    reason = forms.CharField(label=gettext_lazy("Reason"), max_length=200, required=False)


@admin.register(Ticket)
class TicketAdmin(ReadOnlyAdmin):
    list_display = ["title", "status", "student_link", "mentor_link", "waiting_on", "active_at", "upvote_count"]
    list_filter = ["status", "waiting_on", ArticleFilter, "created_at"]
    list_select_related = ["student", "mentor__user"]
    search_fields = [
        "=id",
        "title",
        "tags__name",
        "student__name",
        "student__email",
        "mentor__user__name",
        "mentor__user__email",
    ]
    search_help_text = gettext_lazy("Number, title, tag, or name or address of one of the people")
    show_full_result_count = False
    action_form = ReasonForm
    actions = ["hide", "show"]
    change_form_template = "admin/tickets/ticket/change_form.html"
    inlines = [AttachmentInline, ReplyInline, EventInline]
    fieldsets = [
        (
            None,
            {
                "fields": [
                    "title",
                    "description",
                    "tag_names",
                    "status",
                    "waiting_on",
                    "waiting_since",
                    "student_link",
                    "mentor_link",
                    "on_the_site",
                ]
            },
        ),
        (
            gettext_lazy("Knowledge base"),
            {"fields": ["is_public", "upvote_count", "hidden_at", "hidden_by", "hidden_reason"]},
        ),
        (
            gettext_lazy("Times"),
            {
                "fields": [
                    "created_at",
                    "opened_at",
                    "assigned_at",
                    "first_response_at",
                    "resolved_at",
                    "closed_at",
                    "active_at",
                    "edited_at",
                ]
            },
        ),
    ]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("student", "mentor__user", "hidden_by")

    def get_urls(self):
        reassign = path(
            "<int:pk>/reassign/", self.admin_site.admin_view(self.reassign_view), name="tickets_ticket_reassign"
        )
        return [reassign, *super().get_urls()]

    @admin.display(description=gettext_lazy("student"), ordering="student__name")
    def student_link(self, ticket):
        return admin_link(ticket.student)

    @admin.display(description=gettext_lazy("mentor"), ordering="mentor__user__name")
    def mentor_link(self, ticket):
        return admin_link(ticket.mentor)

    @admin.display(description=gettext_lazy("tags"))
    def tag_names(self, ticket):
        return ", ".join(tag.name for tag in ticket.tags.all()) or "–"

    @admin.display(description=gettext_lazy("on the site"))
    def on_the_site(self, ticket):
        if ticket.status == Ticket.Status.DELETED:
            return "–"
        return format_html('<a href="{}">{}</a>', ticket.get_absolute_url(), _("Page"))

    def has_act_permission(self, request):
        return request.user.has_perm("tickets.change_ticket")

    def change_view(self, request, object_id, form_url="", extra_context=None):
        ticket = self.get_object(request, object_id)
        can_reassign = ticket is not None and self.has_act_permission(request) and ticket.status in Ticket.IN_WORK
        return super().change_view(
            request, object_id, form_url, {**(extra_context or {}), "can_reassign": can_reassign}
        )

    @admin.action(description=gettext_lazy("Take out of the knowledge base (with a reason)"), permissions=["act"])
    def hide(self, request, tickets):
        self._act(request, tickets, hide_article)

    @admin.action(description=gettext_lazy("Put back into the knowledge base (with a reason)"), permissions=["act"])
    def show(self, request, tickets):
        self._act(request, tickets, show_article)

    def _act(self, request, tickets, action):
        done = 0
        reason = request.POST.get("reason", "")
        for ticket in tickets:
            button = forms.Form({})
            with refusals_on(button):
                action(ticket, by=request.user, reason=reason, now=timezone.now())
                self.log_change(request, ticket, f"{action.__name__}: {reason}")
                done += 1
                continue
            self.message_user(request, f"{ticket}: {button.refusal.message}", messages.WARNING)
        if done:
            told = ngettext("%d ticket changed.", "%d tickets changed.", done) % done
            self.message_user(request, told, messages.SUCCESS)

    def reassign_view(self, request, pk):
        """Ask to whom and why, and hand the ticket over."""
        if not self.has_act_permission(request):
            raise PermissionDenied
        ticket = self.get_queryset(request).filter(pk=pk, status__in=Ticket.IN_WORK).first()
        if ticket is None:
            raise Http404
        form = ReassignForm(request.POST or None, ticket=ticket)
        if form.is_valid():
            with refusals_on(form):
                reassign_ticket(ticket, by=request.user, now=timezone.now(), **form.cleaned_data)
                self.log_change(request, ticket, f"Handed to {form.cleaned_data['to']}: {form.cleaned_data['reason']}")
                self.message_user(request, _("Handed over. Both sides are told."), messages.SUCCESS)
                return redirect("admin:tickets_ticket_change", ticket.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Hand over to another mentor"),
            "opts": self.model._meta,
            "ticket": ticket,
            "form": form,
            "back_url": reverse("admin:tickets_ticket_change", args=[ticket.pk]),
        }
        return TemplateResponse(request, "admin/tickets/ticket/reassign.html", context, status=form_status(form))


class ReassignForm(forms.Form):
    to = forms.ModelChoiceField(
        label=gettext_lazy("Mentor"),
        queryset=MentorProfile.objects.none(),
        error_messages={"invalid_choice": gettext_lazy("Choose a mentor from the list.")},
    )
    reason = forms.CharField(
        label=gettext_lazy("Reason"),
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Stands in the history, which both sides read."),
    )

    def __init__(self, *args, ticket, **kwargs):
        super().__init__(*args, **kwargs)
        others = MentorProfile.objects.listed().exclude(user=ticket.student_id).exclude(pk=ticket.mentor_id)
        # Whoever fits best first: there may be thousands, and staff look for somebody who knows the subject.
        self.fields["to"].queryset = (
            others.filter(expertise__in=ticket.tags.all())
            .annotate(fitting=Count("pk"))
            .select_related("user")
            .order_by("-fitting", "-rating_rank", "pk")
        )
        self.fields["to"].label_from_instance = lambda mentor: f"{mentor.user} ({mentor.user.email})"


class PartAdmin(ReadOnlyAdmin):
    """Rows that hang on a ticket."""

    list_select_related = ["ticket"]
    show_full_result_count = False

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("ticket")

    @admin.display(description=gettext_lazy("ticket"))
    def ticket_link(self, row):
        return admin_link(row.ticket)


@admin.register(Reply)
class ReplyAdmin(PartAdmin):
    list_display = ["begin", "kind", "ticket_link", "author", "created_at"]
    list_filter = ["kind", "created_at"]
    list_select_related = ["ticket", "author"]
    search_fields = ["=ticket__id", "text", "author__name", "author__email"]
    fields = ["ticket_link", "kind", "author", "text", "is_useful", "created_at", "edited_at"]

    @admin.display(description=gettext_lazy("text"))
    def begin(self, reply):
        return reply.text[:80]


@admin.register(Attachment)
class AttachmentAdmin(ReadOnlyAdmin):
    list_display = ["name", "content_type", "size_bytes", "uploaded_by", "created_at"]
    list_filter = ["content_type", "created_at"]
    list_select_related = ["uploaded_by"]
    search_fields = ["name", "uploaded_by__name", "uploaded_by__email"]
    fields = ["name", "content_type", "size_bytes", "width", "height", "ticket", "reply", "uploaded_by", "created_at"]


@admin.register(Draft)
class DraftAdmin(ReadOnlyAdmin):
    """Who is writing; what they write is nobody's business yet."""

    list_display = ["id", "student", "saved_at"]
    list_select_related = ["student"]
    search_fields = ["student__name", "student__email"]
    fields = ["student", "saved_at"]


@admin.register(Upvote, Bookmark)
class ReaderAdmin(PartAdmin):
    list_display = ["id", "ticket_link", "user", "created_at"]
    list_select_related = ["ticket", "user"]
    search_fields = ["=ticket__id", "user__name", "user__email"]
    fields = ["ticket_link", "user", "created_at"]
