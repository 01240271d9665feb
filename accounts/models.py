import unicodedata

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
from django.core.validators import ProhibitNullCharactersValidator
from django.db import models
from django.db.models.functions import Lower
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _

from accounts.timezones import known_timezones

MAX_SKILLS = 20
MAX_SKILL_LENGTH = 50
# Characters that turn the text after them around; joiners and marks that languages and emoji need are not among them.
DIRECTION_OVERRIDES = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def validate_timezone(name):
    if name not in known_timezones():
        raise ValidationError(
            _("“%(name)s” is not a time zone; pick one such as Europe/Madrid."), params={"name": name}
        )


def validate_skills(skills):
    if (
        not isinstance(skills, list)
        or len(skills) > MAX_SKILLS
        or any(not isinstance(skill, str) or len(skill) > MAX_SKILL_LENGTH for skill in skills)
    ):
        raise ValidationError(_("List at most 20 skills of at most 50 characters each."))


def validate_name(name):
    """Anything people are called, in any script, as long as others can see it and it does not rearrange their page."""
    if any(unicodedata.category(character) == "Cc" or character in DIRECTION_OVERRIDES for character in name):
        raise ValidationError(_("Leave out line breaks and other invisible control characters."))
    if all(unicodedata.category(character)[0] in "CZM" for character in name):
        raise ValidationError(_("Write a name that others can see."))


class UserQuerySet(models.QuerySet):
    def active(self):
        """Those who can sign in."""
        return self.filter(is_active=True)


class UserManager(BaseUserManager.from_queryset(UserQuerySet)):
    def create_user(self, email, password=None, **fields):
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email, password=None, **fields):
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    @classmethod
    def normalize_email(cls, email):
        """Addresses are kept in lower case as a whole: nobody has two mailboxes that differ by it."""
        return (email or "").strip().lower()

    def get_by_natural_key(self, email):
        return self.get(email=self.normalize_email(email))


class User(AbstractBaseUser, PermissionsMixin):
    """A person. Everyone can learn; an approved mentor profile makes a mentor as well; staff work in the admin."""

    email = models.EmailField(_("e-mail address"), unique=True, error_messages={"unique": _("This address is taken.")})
    name = models.CharField(_("name"), max_length=100, validators=[validate_name])
    timezone = models.CharField(_("time zone"), max_length=64, default="UTC", validators=[validate_timezone])
    language = models.CharField(_("language"), max_length=10, choices=settings.LANGUAGES, default="en")
    bio = models.TextField(_("about you"), max_length=2000, blank=True)
    skills = models.JSONField(_("skills"), default=list, blank=True, validators=[validate_skills])
    wants_to_mentor = models.BooleanField(_("wants to mentor"), default=False)
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Whoever is not active is signed out at once and cannot sign in.")
    )
    is_staff = models.BooleanField(_("staff"), default=False, help_text=_("Staff work in this admin."))
    date_joined = models.DateTimeField(_("joined"), default=now, editable=False)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["name"]
    objects = UserManager()

    class Meta:
        verbose_name = _("person")
        verbose_name_plural = _("people")
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="accounts_user_email_unique",
                violation_error_message=_("This address is taken."),
            )
        ]

    def __str__(self):
        return self.name or self.email

    def clean(self):
        super().clean()
        self.email = type(self).objects.normalize_email(self.email)

    def get_absolute_url(self):
        return reverse("accounts:profile")

    def get_full_name(self):
        return str(self)

    def get_short_name(self):
        """What a person is called in a greeting."""
        return (str(self).split() or [str(self)])[0]

    @property
    def is_mentor(self):
        """Whether this person may mentor: an approved profile, which lives in the mentors app above this one."""
        profile = getattr(self, "mentor_profile", None)
        return profile is not None and profile.is_approved

    @cached_property
    def group_ids(self):
        """The ids of the project groups that this person belongs to, asked for once. One query."""
        groups = Membership.objects.filter(user=self, group__dissolved_at=None).order_by("group")
        return frozenset(groups.values_list("group", flat=True))


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
