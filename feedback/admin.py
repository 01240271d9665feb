from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ActionForm
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from feedback.actions import hide_review, unhide_review
from feedback.models import Review
from mentorbook.errors import Refused
from mentorbook.readonly import ReadOnlyAdmin


class ReasonForm(ActionForm):
    reason = forms.CharField(label=_("Reason for hiding"), max_length=200, required=False)


@admin.register(Review)
class ReviewAdmin(ReadOnlyAdmin):
    """Reviews are read here, hidden and shown again; nobody edits the words of others."""

    list_display = ["subject", "rating", "begin", "author", "recipient", "about", "shown_at", "hidden"]
    list_filter = [
        "about",
        "rating",
        ("hidden_at", admin.EmptyFieldListFilter),
        "created_at",
    ]
    list_select_related = ["appointment", "ticket", "author", "recipient"]
    search_fields = [
        "comment",
        "author__name",
        "author__email",
        "recipient__name",
        "recipient__email",
        "appointment__title",
        "ticket__title",
    ]
    action_form = ReasonForm
    actions = ["hide", "unhide"]

    def get_queryset(self, request):
        """Not what waits and is about oneself: to read it here and then to answer it would be no better."""
        return super().get_queryset(request).visible_to(request.user, timezone.now())

    def has_hide_permission(self, request):
        return request.user.has_perm("feedback.change_review")

    @admin.display(description=_("comment"))
    def begin(self, review):
        return review.comment[:80]

    @admin.display(description=_("hidden"), boolean=True)
    def hidden(self, review):
        return review.is_hidden

    @admin.action(description=_("Hide (with a reason)"), permissions=["hide"])
    def hide(self, request, queryset):
        reason = request.POST.get("reason", "")
        self._act(request, queryset, hide_review, f"Hidden: {reason}", reason=reason)

    @admin.action(description=_("Show again"), permissions=["hide"])
    def unhide(self, request, queryset):
        self._act(request, queryset, unhide_review, "Shown again.")

    def _act(self, request, queryset, action, logged, **words):
        done = 0
        for review in queryset.select_related("appointment__mentor", "ticket__mentor", "author", "recipient"):
            try:
                action(review, by=request.user, now=timezone.now(), **words)
            except Refused as refusal:
                self.message_user(request, refusal.message, messages.ERROR)
                break
            self.log_change(request, review, logged)
            done += 1
        if done:
            told = ngettext("%d review changed.", "%d reviews changed.", done) % done
            self.message_user(request, told, messages.SUCCESS)
