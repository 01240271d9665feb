from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.admin.widgets import FilteredSelectMultiple
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.forms import TimezoneField
from mentorbook.readonly import ReadOnlyInline
from mentorbook.refusals import form_status, refusals_on
from mentors import tags
from mentors.actions import (
    approve_mentor,
    decline_mentor,
    delete_tags,
    find_or_create_tags,
    merge_tags,
    refresh_search_text,
)
from mentors.forms import LanguagesField, SessionLengthsField
from mentors.models import MentorProfile, ProvenSkill, Tag, TagSynonym
from mentors.retagging import about_to_change


class TagsWidget(FilteredSelectMultiple):
    """Two lists, which screen readers can tell apart; what comes back and is no id of a tag is left out."""

    def value_from_datadict(self, data, files, name):
        sent = super().value_from_datadict(data, files, name)
        return [value for value in sent if value.isascii() and value.isdigit() and len(value) <= 18]


class MentorProfileAdminForm(forms.ModelForm):
    languages = LanguagesField(required=False, widget=forms.TextInput(attrs={"class": "vTextField"}))
    session_minutes = SessionLengthsField(label=gettext_lazy("Session lengths"))
    timezone = TimezoneField(label=gettext_lazy("Time zone of the hours"))
    meeting_url = forms.URLField(required=False, max_length=500, assume_scheme="https")


class ProvenSkillInline(ReadOnlyInline):
    model = ProvenSkill
    fields = readonly_fields = ["tag", "weight", "weighed_at"]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("tag")


@admin.register(MentorProfile)
class MentorProfileAdmin(admin.ModelAdmin):
    """Staff approve and correct profiles; people make their own. States and figures change through actions only."""

    form = MentorProfileAdminForm
    list_display = [
        "name_and_address",
        "headline",
        "approval",
        "status",
        "hourly_rate_points",
        "mean",
        "sessions_completed",
    ]
    list_filter = ["approval", "status", "confirms_automatically", "takes_chats", "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__name", "user__email", "headline", "expertise__name"]
    ordering = ["-id"]
    list_per_page = 50
    actions = ["approve", "decline"]
    inlines = [ProvenSkillInline]
    readonly_fields = [
        "person",
        "approval",
        "approved_at",
        "approval_note",
        "status",
        "rating_count",
        "rating_sum",
        "rating_rank",
        "sessions_completed",
        "tickets_solved",
        "tickets_answered",
        "first_response_minutes",
        "solution_minutes",
        "next_free_at",
        "next_free_checked_at",
        "created_at",
        "on_the_site",
    ]
    fieldsets = [
        (None, {"fields": ["person", "on_the_site", "approval", "approved_at", "approval_note", "status"]}),
        (gettext_lazy("What students read"), {"fields": ["headline", "bio", "expertise", "languages"]}),
        (
            gettext_lazy("Offer"),
            {"fields": ["hourly_rate_points", "session_minutes", "meeting_url", "takes_chats", "tickets_at_once"]},
        ),
        (
            gettext_lazy("Booking"),
            {
                "fields": [
                    "timezone",
                    "slot_step_minutes",
                    "buffer_before_minutes",
                    "buffer_after_minutes",
                    "minimum_notice_minutes",
                    "booking_horizon_days",
                    "max_sessions_per_day",
                    "max_sessions_per_week",
                    "confirms_automatically",
                    "cancellation_notice_hours",
                ]
            },
        ),
        (
            gettext_lazy("Figures"),
            {
                "fields": [
                    "rating_count",
                    "rating_sum",
                    "rating_rank",
                    "sessions_completed",
                    "tickets_solved",
                    "tickets_answered",
                    "first_response_minutes",
                    "solution_minutes",
                    "next_free_at",
                    "next_free_checked_at",
                    "created_at",
                ]
            },
        ),
    ]

    def has_add_permission(self, request):
        return False

    def formfield_for_manytomany(self, db_field, request, **kwargs):
        widget = TagsWidget(db_field.verbose_name, is_stacked=False)
        return super().formfield_for_manytomany(db_field, request, **{"widget": widget, **kwargs})

    @admin.display(description=gettext_lazy("person"), ordering="user__name")
    def person(self, mentor):
        address = reverse("admin:accounts_user_change", args=[mentor.user_id])
        return format_html('<a href="{}">{}</a> ({})', address, mentor.user, mentor.user.email)

    @admin.display(description=gettext_lazy("person"), ordering="user__name")
    def name_and_address(self, mentor):
        return f"{mentor.user} ({mentor.user.email})"

    @admin.display(description=gettext_lazy("on the site"))
    def on_the_site(self, mentor):
        return format_html('<a href="{}">{}</a>', mentor.get_absolute_url(), _("Profile"))

    @admin.display(description=gettext_lazy("rating"), ordering="rating_rank")
    def mean(self, mentor):
        return f"{mentor.rating:.1f} ★ ({mentor.rating_count})" if mentor.rating_count else "–"

    def save_model(self, request, obj, form, change):
        obj.next_free_checked_at = None
        obj.save(update_fields=[*(name for name in form.changed_data if name != "expertise"), "next_free_checked_at"])

    def save_related(self, request, form, formsets, change):
        super().save_related(request, form, formsets, change)
        refresh_search_text(MentorProfile.objects.filter(pk=form.instance.pk))

    @admin.action(description=gettext_lazy("Approve: students see them"), permissions=["change"])
    def approve(self, request, queryset):
        mentors = list(queryset.exclude(approval=MentorProfile.Approval.APPROVED))
        for mentor in mentors:
            approve_mentor(mentor, by=request.user, now=timezone.now())
            _log(request, mentor, _("Approved."))
        self.message_user(
            request,
            ngettext(
                "%(count)d mentor is approved and has been told.",
                "%(count)d mentors are approved and have been told.",
                len(mentors),
            )
            % {"count": len(mentors)},
            messages.SUCCESS,
        )

    @admin.action(description=gettext_lazy("Decline: students do not see them"), permissions=["change"])
    def decline(self, request, queryset):
        mentors = list(queryset.exclude(approval=MentorProfile.Approval.DECLINED).select_related("user"))
        form = DeclineForm(request.POST if "sure" in request.POST else None)
        if not mentors or not form.is_valid():
            if not mentors:
                self.message_user(request, _("They are declined already."), messages.INFO)
                return None
            return _ask(
                self,
                request,
                "admin/mentors/mentorprofile/decline.html",
                form,
                title=_("Decline"),
                mentors=mentors,
                selected=request.POST.getlist(admin.helpers.ACTION_CHECKBOX_NAME),
            )
        for mentor in mentors:
            decline_mentor(mentor, by=request.user, now=timezone.now(), note=form.cleaned_data["note"])
            _log(request, mentor, _("Declined."))
        self.message_user(
            request,
            ngettext("%(count)d mentor is declined.", "%(count)d mentors are declined.", len(mentors))
            % {"count": len(mentors)},
            messages.SUCCESS,
        )
        return None


class DeclineForm(forms.Form):
    note = forms.CharField(
        label=gettext_lazy("What to change"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "cols": 60}),
        help_text=gettext_lazy("The mentor reads it."),
    )


class TagSynonymInline(admin.TabularInline):
    model = TagSynonym
    extra = 1


class MergeForm(forms.Form):
    into = forms.CharField(
        label=gettext_lazy("Merge into"),
        max_length=100,
        help_text=gettext_lazy("A tag that exists, or a better spelling for a new one."),
    )

    def clean_into(self):
        return tags.normalise(self.cleaned_data["into"])


@admin.register(Tag)
class TagAdmin(admin.ModelAdmin):
    list_display = ["name", "spellings", "created_at"]
    search_fields = ["name", "synonyms__name"]
    inlines = [TagSynonymInline]
    actions = ["merge"]

    def get_queryset(self, request):
        return super().get_queryset(request).prefetch_related("synonyms")

    def get_readonly_fields(self, request, obj=None):
        # Renaming is merging into the better spelling: then the old one still finds it.
        return ["name", "created_at"] if obj else ["created_at"]

    def get_urls(self):
        merge = self.admin_site.admin_view(self.merge_view)
        return [path("<int:pk>/merge/", merge, name="mentors_tag_merge"), *super().get_urls()]

    @admin.display(description=gettext_lazy("also written"))
    def spellings(self, tag):
        return ", ".join(synonym.name for synonym in tag.synonyms.all())

    def save_related(self, request, form, formsets, change):
        tell_followers = about_to_change([form.instance.pk])
        super().save_related(request, form, formsets, change)
        refresh_search_text(MentorProfile.objects.filter(expertise=form.instance))
        tell_followers()

    def delete_model(self, request, obj):
        delete_tags([obj], by=request.user)

    def delete_queryset(self, request, queryset):
        delete_tags(queryset, by=request.user)

    @admin.action(description=gettext_lazy("Merge into another tag"), permissions=["change"])
    def merge(self, request, queryset):
        chosen = list(queryset)
        form = MergeForm(request.POST if "sure" in request.POST else None)
        if form.is_valid():
            with refusals_on(form):
                into = self._merge(request, chosen, form.cleaned_data["into"])
                return redirect("admin:mentors_tag_change", into.pk)
        return _ask(
            self,
            request,
            "admin/mentors/tag/merge.html",
            form,
            title=_("Merge tags"),
            chosen=chosen,
            action="merge",
            selected=request.POST.getlist(admin.helpers.ACTION_CHECKBOX_NAME),
        )

    def merge_view(self, request, pk):
        if not self.has_change_permission(request):
            raise PermissionDenied
        tag = self.get_object(request, str(pk))
        if tag is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(pk))
        form = MergeForm(request.POST if request.method == "POST" else None)
        if form.is_valid():
            with refusals_on(form):
                into = self._merge(request, [tag], form.cleaned_data["into"])
                return redirect("admin:mentors_tag_change", into.pk)
        return _ask(self, request, "admin/mentors/tag/merge.html", form, title=_("Merge tags"), chosen=[tag])

    @transaction.atomic
    def _merge(self, request, chosen, name):
        (into,) = find_or_create_tags([name])
        sources = [tag for tag in chosen if tag != into] or chosen
        for source in sources:
            name = source.name
            merge_tags(source, into, by=request.user)
            _log(request, into, _("Merged “%(name)s” into it.") % {"name": name})
        self.message_user(
            request,
            _("Merged. %(names)s now find “%(into)s”.")
            % {"names": ", ".join(tag.name for tag in sources), "into": into},
            messages.SUCCESS,
        )
        return into


def _ask(model_admin, request, template, form, **context):
    """An intermediate page of the admin around `form`."""
    return TemplateResponse(
        request,
        template,
        {**model_admin.admin_site.each_context(request), "opts": model_admin.opts, "form": form, **context},
        status=form_status(form),
    )


def _log(request, row, message):
    LogEntry.objects.log_actions(request.user.pk, [row], CHANGE, change_message=message, single_object=True)
