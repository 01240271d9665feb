from django.contrib import admin, messages
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from mentorbook.errors import Refused
from mentorbook.readonly import ReadOnlyAdmin
from notifications.actions import send_again
from notifications.models import Notification, OutgoingEmail


@admin.register(Notification)
class NotificationAdmin(ReadOnlyAdmin):
    list_display = ["title", "recipient", "kind", "created_at", "read_at", "mail"]
    list_filter = ["kind", ("read_at", admin.EmptyFieldListFilter), "created_at"]
    list_select_related = ["recipient", "email"]
    search_fields = ["title", "recipient__email", "recipient__name", "occasion"]

    @admin.display(description=_("mail"))
    def mail(self, notification):
        email = getattr(notification, "email", None)
        if email is None:
            return None
        url = reverse("admin:notifications_outgoingemail_change", args=[email.pk])
        return format_html('<a href="{}">{}</a>', url, email.get_status_display())


@admin.register(OutgoingEmail)
class OutgoingEmailAdmin(ReadOnlyAdmin):
    list_display = ["subject", "to", "status", "attempts", "next_attempt_at", "sent_at", "shortened_error"]
    list_filter = ["status", "notification__kind", "created_at"]
    search_fields = ["subject", "to", "message_id", "last_error"]
    actions = ["send_again"]

    def has_send_permission(self, request):
        return request.user.has_perm("notifications.change_outgoingemail")

    @admin.display(description=_("last error"))
    def shortened_error(self, email):
        return email.last_error[:120]

    @admin.action(description=_("Send again"), permissions=["send"])
    def send_again(self, request, queryset):
        restarted = refused = 0
        for email in queryset.select_related("notification__recipient"):
            try:
                send_again(email, now=timezone.now())
            except Refused:
                refused += 1
            else:
                restarted += 1
                self.log_change(request, email, "Sent again.")
        if restarted:
            told = ngettext("%d mail is on its way again.", "%d mails are on their way again.", restarted)
            self.message_user(request, told % restarted, messages.SUCCESS)
        if refused:
            told = ngettext(
                "%d mail was left alone: it went out already, or needs no sending.",
                "%d mails were left alone: they went out already, or need no sending.",
                refused,
            )
            self.message_user(request, told % refused, messages.WARNING)
