from allauth.account.admin import EmailAddressAdmin
from allauth.account.decorators import secure_admin_login
from allauth.account.models import EmailAddress
from allauth.mfa.admin import AuthenticatorAdmin
from allauth.mfa.models import Authenticator
from allauth.usersessions.admin import UserSessionAdmin
from allauth.usersessions.models import UserSession
from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.admin import GroupAdmin, UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm, UserChangeForm
from django.contrib.auth.models import Group
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.forms import SkillsField, TimezoneField
from accounts.models import User

# The admin has the same door as everything else: one sign-in page, one count of wrong passwords, one second factor.
admin.site.login = secure_admin_login(admin.site.login)


def is_out_of_reach(request, person):
    """Whether only superusers may change `person`'s account. Those of other staff are: whoever sets a password, an
    address or a second factor can sign in with it, and do what that person may."""
    if request.user.is_superuser or person == request.user:
        return False
    return person.is_staff or person.is_superuser


class PersonCreationForm(AdminUserCreationForm):
    timezone = TimezoneField()

    class Meta:
        model = User
        fields = ["email", "name", "timezone"]
        field_classes = {}


class PersonChangeForm(UserChangeForm):
    timezone = TimezoneField()
    skills = SkillsField(label=_("Skills"), required=False, widget=forms.TextInput(attrs={"class": "vTextField"}))

    class Meta:
        model = User
        fields = "__all__"
        field_classes = {}


@admin.register(User)
class PersonAdmin(UserAdmin):
    form = PersonChangeForm
    add_form = PersonCreationForm
    list_display = [
        "name",
        "email",
        "is_active",
        "is_staff",
        "wants_to_mentor",
        "timezone",
        "last_login",
        "date_joined",
    ]
    list_display_links = ["name", "email"]
    list_filter = ["is_active", "is_staff", "is_superuser", "wants_to_mentor", "date_joined", "last_login", "groups"]
    search_fields = ["name", "email"]
    search_help_text = _("Name or e-mail address")
    ordering = ["-id"]
    list_per_page = 50
    list_per_page = 50
    readonly_fields = ["last_login", "date_joined"]
    fieldsets = [
        (None, {"fields": ["email", "password", "name"]}),
        (_("Profile"), {"fields": ["timezone", "language", "bio", "skills", "wants_to_mentor"]}),
        (_("May"), {"fields": ["is_active", "is_staff", "is_superuser", "groups", "user_permissions"]}),
        (_("Times"), {"fields": ["date_joined", "last_login"]}),
    ]
    add_fieldsets = [
        (
            None,
            {
                "classes": ["wide"],
                "fields": ["email", "name", "timezone", "usable_password", "password1", "password2"],
            },
        )
    ]
    actions = ["deactivate", "activate"]

    def get_readonly_fields(self, request, obj=None):
        """Only superusers decide who may do what; otherwise staff could promote themselves."""
        readonly = [*super().get_readonly_fields(request, obj)]
        if not request.user.is_superuser:
            readonly += ["is_staff", "is_superuser", "groups", "user_permissions"]
        return readonly

    def has_change_permission(self, request, obj=None):
        if obj is not None and is_out_of_reach(request, obj):
            return False
        return super().has_change_permission(request, obj)

    def has_delete_permission(self, request, obj=None):
        """Nobody is deleted here: sessions, points and reviews of others need the row. Deactivate instead."""
        return False

    def save_model(self, request, obj, form, change):
        super().save_model(request, obj, form, change)
        if change and "email" in form.changed_data:
            # The new address has to be confirmed by its owner; until then it can sign in where the site allows that.
            EmailAddress.objects.filter(user=obj).delete()
            EmailAddress.objects.create(user=obj, email=obj.email, primary=True, verified=False)

    @admin.action(description=_("Deactivate: sign out at once, and no more sign-in"), permissions=["change"])
    def deactivate(self, request, queryset):
        people = queryset.filter(is_active=True).exclude(pk=request.user.pk)
        if not request.user.is_superuser:
            people = people.filter(is_superuser=False, is_staff=False)
        self._set_active(request, people, False)

    @admin.action(description=_("Activate again"), permissions=["change"])
    def activate(self, request, queryset):
        people = queryset.filter(is_active=False)
        if not request.user.is_superuser:
            people = people.filter(is_superuser=False, is_staff=False)
        self._set_active(request, people, True)

    def _set_active(self, request, people, is_active):
        changed = list(people)
        for person in changed:
            person.is_active = is_active
            person.save(update_fields=["is_active"])
        words = _("Activated.") if is_active else _("Deactivated.")
        LogEntry.objects.log_actions(request.user.pk, changed, CHANGE, words)
        if is_active:
            told = ngettext("%d person can sign in again.", "%d people can sign in again.", len(changed))
        else:
            told = ngettext(
                "%d person is signed out and cannot sign in.",
                "%d people are signed out and cannot sign in.",
                len(changed),
            )
        self.message_user(request, told % len(changed), messages.SUCCESS)


# allauth's rows: to look at, and to help somebody who lost a phone; secrets are shown to nobody.

admin.site.unregister([EmailAddress, Authenticator, UserSession, Group])


class OfPersonAdmin(admin.ModelAdmin):
    """Rows of people's accounts. They are made elsewhere, and out of reach where the account is."""

    list_select_related = ["user"]

    def has_add_permission(self, request):
        return False

    def has_change_permission(self, request, obj=None):
        return super().has_change_permission(request, obj) and not (obj and is_out_of_reach(request, obj.user))

    def has_delete_permission(self, request, obj=None):
        return super().has_delete_permission(request, obj) and not (obj and is_out_of_reach(request, obj.user))


@admin.register(EmailAddress)
class AddressAdmin(OfPersonAdmin, EmailAddressAdmin):
    """Addresses change on the person's page; here staff say that one is confirmed."""

    readonly_fields = ["user", "email"]
    actions = ["confirm"]

    def get_search_fields(self, request):
        return ["email", "user__name"]

    @admin.action(description=_("Mark as confirmed"), permissions=["change"])
    def confirm(self, request, queryset):
        within_reach = [row.pk for row in queryset if self.has_change_permission(request, row)]
        self.make_verified(request, queryset.filter(pk__in=within_reach))


@admin.register(Authenticator)
class SecondFactorAdmin(OfPersonAdmin, AuthenticatorAdmin):
    """Who lost phone and recovery codes gets in again when staff delete the row."""

    fields = readonly_fields = ["user", "type", "created_at", "last_used_at"]
    search_fields = ["user__name", "user__email"]

    def has_change_permission(self, request, obj=None):
        return False


@admin.register(UserSession)
class DeviceAdmin(OfPersonAdmin, UserSessionAdmin):
    list_display = ["user", "ip", "user_agent", "created_at", "last_seen_at"]
    fields = readonly_fields = ["user", "ip", "user_agent", "created_at", "last_seen_at"]
    search_fields = ["user__name", "user__email", "ip"]
    list_filter = ["created_at", "last_seen_at"]

    def has_change_permission(self, request, obj=None):
        return False


@admin.register(Group)
class RolesAdmin(GroupAdmin):
    """What a group may do is for superusers; whoever is in one could give it everything."""

    def has_add_permission(self, request):
        return request.user.is_superuser

    def has_change_permission(self, request, obj=None):
        return request.user.is_superuser

    def has_delete_permission(self, request, obj=None):
        return request.user.is_superuser
