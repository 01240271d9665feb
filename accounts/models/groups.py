from django.conf import settings
from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.urls import reverse
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from accounts.models.people import validate_name


class ProjectGroupQuerySet(models.QuerySet):
    def active(self):
        """Those that have not been dissolved."""
        return self.filter(dissolved_at=None)

    def visible_to(self, user):
        """Those that `user` belongs to; all for staff. What was dissolved is there for staff only."""
        return self if user.is_staff else self.of_person(user)

    def of_person(self, user):
        return self.active().filter(memberships__user=user)


class ProjectGroup(models.Model):
    """Students who work on something together: they book sessions as one, and may have a wallet of their own.

    Changed only by accounts.actions. The owner is a member as well.
    """

    MAX_MEMBERS = 20

    name = models.CharField(
        _("name"), max_length=80, validators=[validate_name], help_text=_("What mentors see, such as the project.")
    )
    description = models.TextField(
        _("what it is about"), max_length=2000, blank=True, validators=[ProhibitNullCharactersValidator()]
    )
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="owned_groups")
    members_may_pay = models.BooleanField(
        _("members may pay from the group's wallet"),
        default=False,
        help_text=_("Otherwise only the owner may."),
    )
    created_at = models.DateTimeField(default=now, editable=False)
    dissolved_at = models.DateTimeField(null=True, blank=True, editable=False)

    objects = ProjectGroupQuerySet.as_manager()

    class Meta:
        ordering = ["name", "id"]
        verbose_name = _("project group")

    def __str__(self):
        return self.name

    def get_absolute_url(self):
        return reverse("groups:detail", args=[self.pk])

    def is_owned_by(self, user):
        return self.owner_id == user.pk

    def has_member(self, user):
        """Whether `user` belongs to it (a query, unless `user.group_ids` was asked for before)."""
        return self.pk in user.group_ids

    def can_be_handed_over_by(self, user):
        """Its owner hands it over, or staff who may change groups where the owner has gone."""
        return self.is_owned_by(user) or (not self.owner.is_active and user.has_perm("accounts.change_projectgroup"))

    def can_be_dissolved_by(self, user):
        return self.is_owned_by(user) or user.has_perm("accounts.change_projectgroup")

    def may_be_paid_by(self, user):
        """Whether `user` may spend what is in the group's wallet."""
        return self.is_owned_by(user) or (self.members_may_pay and self.has_member(user))


class Membership(models.Model):
    group = models.ForeignKey(ProjectGroup, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    joined_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        ordering = ["joined_at", "id"]
        constraints = [models.UniqueConstraint(fields=["group", "user"], name="accounts_member_once")]

    def __str__(self):
        return f"{self.user} ∈ {self.group}"


class GroupInvitationQuerySet(models.QuerySet):
    def open(self, now):
        """Those by which somebody can still join."""
        return self.filter(revoked_at=None, accepted_at=None, expires_at__gt=now, group__dissolved_at=None)


class GroupInvitation(models.Model):
    """A way into a group: by e-mail for one person, or a link for whoever has it. Either ends by itself.

    The secret of its address is signed, not stored (`accounts.groups.invitation_token`).
    """

    VALID_DAYS = 14

    group = models.ForeignKey(ProjectGroup, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField(_("e-mail address"), blank=True, help_text=_("Empty: a link for everybody who has it."))
    invited_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    created_at = models.DateTimeField(default=now, editable=False)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True, help_text=_("Of one by e-mail: it serves once."))

    objects = GroupInvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["group", "expires_at"], name="accounts_invitations_of_group")]

    def __str__(self):
        return f"{self.group}: {self.email or _('link')}"

    @property
    def is_link(self):
        return not self.email

    def is_open(self, now):
        return self.revoked_at is None and self.accepted_at is None and self.expires_at > now
