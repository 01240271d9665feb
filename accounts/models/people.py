import unicodedata

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.core.exceptions import ValidationError
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
        memberships = self.memberships.filter(group__dissolved_at=None).order_by("group")
        return frozenset(memberships.values_list("group", flat=True))

    @property
    def session_version(self):
        """A short text that is another one as soon as the password is: what ends the tokens that were given before."""
        return self.get_session_auth_hash()[:16]
