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
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.actions import dissolve_group, end_program_session, hand_over_group, revoke_personal_token
from accounts.dissolving import hindrances_of
from accounts.forms import HandOverForm, SkillsField, TimezoneField
from accounts.models import (
    GroupInvitation,
    IdempotentAnswer,
    Membership,
    PersonalToken,
    ProgramSession,
    ProjectGroup,
    RefreshToken,
    User,
)
from mentorbook.readonly import ReadOnlyAdmin, ReadOnlyInline, admin_link
from mentorbook.refusals import form_status, refusals_on

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
        if not is_active:
            self._name_groups_without_owner(request, changed)

    def _name_groups_without_owner(self, request, people):
        """Nobody can invite, pay or give back in a group whose owner cannot sign in: say which ones to hand over."""
        groups = ProjectGroup.objects.active().filter(owner__in=people)
        if links := format_html_join(", ", "{}", ([admin_link(group)] for group in groups)):
            words = _("They own project groups, which somebody else should have now: {}")
            self.message_user(request, format_html(words, links), messages.WARNING)


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


# --- Project groups ---------------------------------------------------------------------------------------------------


class MembershipInline(ReadOnlyInline):
    model = Membership
    fields = readonly_fields = ["person", "is_active", "joined_at"]
    verbose_name_plural = _("members")

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("user")

    @admin.display(description=_("person"))
    def person(self, membership):
        return admin_link(membership.user)

    @admin.display(description=_("active"), boolean=True)
    def is_active(self, membership):
        return membership.user.is_active


class GroupInvitationInline(ReadOnlyInline):
    """Who was invited how; the link itself lets people in and is the owner's to see."""

    model = GroupInvitation
    fields = readonly_fields = ["way", "invited_by", "created_at", "expires_at", "revoked_at", "accepted_at"]
    verbose_name_plural = _("invitations")

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("invited_by")

    @admin.display(description=_("e-mail address"))
    def way(self, invitation):
        return invitation.email or _("link")


class IsDissolvedFilter(admin.SimpleListFilter):
    title = _("dissolved")
    parameter_name = "dissolved"

    def lookups(self, request, model_admin):
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request, groups):
        if self.value() in ("yes", "no"):
            return groups.filter(dissolved_at__isnull=self.value() == "no")
        return groups


@admin.register(ProjectGroup)
class ProjectGroupAdmin(ReadOnlyAdmin):
    """Groups belong to their members. Staff look, hand one over whose owner has gone, and dissolve one."""

    list_display = ["name", "owner_link", "owner_is_active", "size", "created_at", "dissolved_at"]
    list_filter = [IsDissolvedFilter, "owner__is_active", "members_may_pay", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["=id", "name", "owner__name", "owner__email", "memberships__user__email"]
    search_help_text = _("Number or name of the group, its owner, or the address of a member")
    fields = ["name", "description", "owner_link", "members_may_pay", "created_at", "dissolved_at"]
    inlines = [MembershipInline, GroupInvitationInline]
    change_form_template = "admin/accounts/projectgroup/change_form.html"

    def get_queryset(self, request):
        return super().get_queryset(request).annotate(size=Count("memberships", distinct=True))

    def get_urls(self):
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/hand-over/", view(self.hand_over_view), name="accounts_projectgroup_hand_over"),
            path("<int:pk>/dissolve/", view(self.dissolve_view), name="accounts_projectgroup_dissolve"),
            *super().get_urls(),
        ]

    @admin.display(description=_("owner"), ordering="owner__name")
    def owner_link(self, group):
        return admin_link(group.owner)

    @admin.display(description=_("owner is active"), boolean=True, ordering="owner__is_active")
    def owner_is_active(self, group):
        return group.owner.is_active

    @admin.display(description=_("members"), ordering="size")
    def size(self, group):
        return group.size

    def may_act(self, request):
        """The buttons need the permission to change groups, though nothing is changed by hand."""
        return request.user.has_perm("accounts.change_projectgroup")

    def change_view(self, request, object_id, form_url="", extra_context=None):
        group = self.get_object(request, object_id)
        can_act = bool(group) and group.dissolved_at is None and self.may_act(request)
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "can_act": can_act})

    def hand_over_view(self, request, pk):
        group = self._group(request, pk)
        form = HandOverForm(request.POST if request.method == "POST" else None, group=group)
        if form.is_valid():
            with refusals_on(form):
                hand_over_group(group, to=form.cleaned_data["to"], by=request.user)
                self._log(request, group, _("Handed over to %(name)s.") % {"name": form.cleaned_data["to"]})
                return redirect("admin:accounts_projectgroup_change", group.pk)
        return self._ask(request, group, form, title=_("Hand over"))

    def dissolve_view(self, request, pk):
        group = self._group(request, pk)
        form = forms.Form({})
        if request.method == "POST":
            with refusals_on(form):
                dissolve_group(group, by=request.user, now=timezone.now())
                self._log(request, group, _("Dissolved."))
                return redirect("admin:accounts_projectgroup_change", group.pk)
        hindrances = hindrances_of(group, now=timezone.now())
        return self._ask(request, group, form, title=_("Dissolve"), is_dissolving=True, hindrances=hindrances)

    def _group(self, request, pk):
        if not self.may_act(request):
            raise PermissionDenied
        return get_object_or_404(ProjectGroup.objects.active().select_related("owner"), pk=pk)

    def _log(self, request, group, words):
        LogEntry.objects.log_actions(request.user.pk, [group], CHANGE, words, single_object=True)
        self.message_user(request, words, messages.SUCCESS)

    def _ask(self, request, group, form, **context):
        context |= {**self.admin_site.each_context(request), "opts": self.opts, "group": group, "form": form}
        return TemplateResponse(request, "admin/accounts/projectgroup/ask.html", context, status=form_status(form))


# --- Programs ---------------------------------------------------------------------------------------------------------
# Whose programs are let in, until when. What lets them in, or a digest of it, is shown to nobody.


class RefreshTokenInline(ReadOnlyInline):
    model = RefreshToken
    fields = readonly_fields = ["created_at", "used_at"]
    verbose_name_plural = _("refresh tokens")


class IsOverFilter(admin.SimpleListFilter):
    title = _("ended or expired")
    parameter_name = "over"

    def lookups(self, request, model_admin):
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request, rows):
        alive = rows.alive(timezone.now())
        if self.value() == "yes":
            return rows.exclude(pk__in=alive.values("pk"))
        return alive if self.value() == "no" else rows


class _ShutDoorAdmin(ReadOnlyAdmin):
    """Rows that let programs in, with one button that ends it."""

    list_select_related = ["user"]
    search_help_text = _("Name or e-mail address of the person")
    change_form_template = "admin/accounts/shut_door/change_form.html"

    def get_urls(self):
        shut = path("<int:pk>/shut/", self.admin_site.admin_view(self.shut_view), name=self.shut_url.partition(":")[2])
        return [shut, *super().get_urls()]

    @property
    def shut_url(self):
        return f"admin:accounts_{self.opts.model_name}_shut"

    @admin.display(description=_("person"), ordering="user__name")
    def person(self, row):
        return admin_link(row.user)

    @admin.display(description=_("lets in"), boolean=True)
    def is_open(self, row):
        return row.lets_in(timezone.now())

    def may_shut(self, request, row):
        """The button needs the permission to change these rows, though nothing is changed by hand."""
        allowed = request.user.has_perm(f"accounts.change_{self.opts.model_name}")
        return allowed and not is_out_of_reach(request, row.user)

    def change_view(self, request, object_id, form_url="", extra_context=None):
        row = self.get_object(request, object_id)
        shown = {}
        if row and row.lets_in(timezone.now()) and self.may_shut(request, row):
            shown = {"shut_label": self.shut_label, "shut_url": reverse(self.shut_url, args=[row.pk])}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **shown})

    def shut_view(self, request, pk):
        if not request.user.has_perm(f"accounts.change_{self.opts.model_name}"):
            raise PermissionDenied
        row = get_object_or_404(self.model.objects.select_related("user"), pk=pk)
        if not self.may_shut(request, row):
            raise PermissionDenied
        row_url = reverse(f"admin:accounts_{self.opts.model_name}_change", args=[row.pk])
        if request.method == "POST":
            self.shut(row, by=request.user, now=timezone.now())
            LogEntry.objects.log_actions(request.user.pk, [row], CHANGE, self.shut_told, single_object=True)
            self.message_user(request, self.shut_told, messages.SUCCESS)
            return redirect(row_url)
        addresses = {"row_url": row_url, "list_url": reverse(f"admin:accounts_{self.opts.model_name}_changelist")}
        words = {"opts": self.opts, "row": row, "title": self.shut_label}
        context = {**self.admin_site.each_context(request), **words, **addresses}
        return TemplateResponse(request, "admin/accounts/shut_door/ask.html", context)


@admin.register(ProgramSession)
class ProgramSessionAdmin(_ShutDoorAdmin):
    list_display = ["id", "person", "created_at", "expires_at", "ended_at"]
    list_filter = [IsOverFilter, "created_at"]
    search_fields = ["user__name", "user__email"]
    fields = ["person", "is_open", "created_at", "expires_at", "ended_at"]
    inlines = [RefreshTokenInline]
    shut_label, shut_told = _("End the session"), _("Ended: none of its tokens lets in any more.")
    shut = staticmethod(end_program_session)


@admin.register(PersonalToken)
class PersonalTokenAdmin(_ShutDoorAdmin):
    list_display = ["name", "start", "person", "scope", "created_at", "last_used_at", "expires_at", "revoked_at"]
    list_filter = [IsOverFilter, "scope", "last_used_at"]
    search_fields = ["user__name", "user__email", "name", "=start"]
    search_help_text = _("Person, name of the token, or its first characters")
    fields = [
        "name",
        "start",
        "person",
        "scope",
        "is_open",
        "created_at",
        "last_used_at",
        "expires_at",
        "revoked_at",
    ]
    shut_label, shut_told = _("Revoke the token"), _("Revoked: it lets nobody in any more.")
    shut = staticmethod(revoke_personal_token)


@admin.register(IdempotentAnswer)
class IdempotentAnswerAdmin(ReadOnlyAdmin):
    """That something was asked twice. What was answered is the person's."""

    list_display = ["id", "person", "status", "created_at"]
    list_filter = ["status", "created_at"]
    list_select_related = ["user"]
    search_fields = ["user__name", "user__email", "=key"]
    search_help_text = _("Person, or the key itself")
    fields = ["person", "key", "status", "created_at"]

    @admin.display(description=_("person"), ordering="user__name")
    def person(self, answer):
        return admin_link(answer.user)
