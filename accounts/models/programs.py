"""How programs are let in, and what is remembered of what they asked. Secrets are kept as SHA-256 digests only."""

from django.conf import settings
from django.db import models
from django.utils.timezone import now
from django.utils.translation import gettext_lazy as _


class ProgramSessionQuerySet(models.QuerySet):
    def alive(self, now):
        """Those that have neither been ended nor run out. Whether the password is still the same shows one row."""
        return self.filter(ended_at=None, expires_at__gt=now)

    def alive_of(self, user, now):
        """Those whose programs may act for `user`."""
        return self.alive(now).filter(user=user, version=user.session_version)


class ProgramSession(models.Model):
    """A program that signed in with somebody's address and password, until it signs out or stops coming back.

    Its access tokens name it, so that the end of this row is their end. Its refresh tokens are a family: one that is
    used a second time was copied, and ends the whole.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="program_sessions")
    version = models.CharField(max_length=16, help_text=_("The person's session version when it began."))
    created_at = models.DateTimeField(default=now, editable=False)
    expires_at = models.DateTimeField(help_text=_("Every refresh moves it on."))
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = ProgramSessionQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["expires_at"], name="accounts_sessions_by_expiry")]

    def __str__(self):
        return f"{self.user} ({self.pk})"

    def lets_in(self, now):
        """Whether its tokens count: not ended or run out, the password still the same, the person still active."""
        return (
            self.ended_at is None
            and self.expires_at > now
            and self.user.is_active
            and self.version == self.user.session_version
        )


class RefreshToken(models.Model):
    """One link of a session's chain; used once, and then replaced by the next."""

    session = models.ForeignKey(ProgramSession, on_delete=models.CASCADE, related_name="refresh_tokens")
    digest = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=now, editable=False)
    used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-id"]

    def __str__(self):
        return f"{self.session_id}: {self.pk}"


class PersonalTokenQuerySet(models.QuerySet):
    def alive(self, now):
        """Those that have neither been revoked nor run out. Whether the password is still the same shows one row."""
        return self.filter(revoked_at=None, expires_at__gt=now)

    def alive_of(self, user, now):
        """Those of `user` that let a script in."""
        return self.alive(now).filter(user=user, version=user.session_version)


class PersonalToken(models.Model):
    """A key that somebody made on the settings page for a script of their own. Shown once, when it is made."""

    class Ending(models.TextChoices):
        REVOKED = "revoked", _("revoked")
        EXPIRED = "expired", _("expired")
        PASSWORD_CHANGED = "password_changed", _("ended with the old password")

    class Scope(models.TextChoices):
        READ = "read", _("read only")
        WRITE = "write", _("read and write")

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="personal_tokens")
    name = models.CharField(_("what it is for"), max_length=80)
    start = models.CharField(max_length=12, help_text=_("The first characters, to tell tokens apart."))
    digest = models.CharField(max_length=64, unique=True)
    scope = models.CharField(_("may"), max_length=5, choices=Scope.choices, default=Scope.READ)
    version = models.CharField(max_length=16, help_text=_("The person's session version when it was made."))
    created_at = models.DateTimeField(default=now, editable=False)
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True, blank=True, help_text=_("To within five minutes."))
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = PersonalTokenQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(scope__in=["read", "write"]), name="accounts_token_scope_known")
        ]

    def __str__(self):
        return self.name

    def lets_in(self, now):
        """Whether it counts: not revoked or run out, the password still the same, the person still active."""
        return self.ending(now) is None and self.user.is_active

    def ending(self, now) -> Ending | None:
        """Why it counts no more, or None while it does."""
        if self.revoked_at is not None:
            return self.Ending.REVOKED
        if self.version != self.user.session_version:
            return self.Ending.PASSWORD_CHANGED
        return self.Ending.EXPIRED if self.expires_at <= now else None


class IdempotentAnswer(models.Model):
    """What a program was answered to a request with an `Idempotency-Key`, to be answered again.

    Written in the transaction of the work itself: either both are there or neither is.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=120)
    fingerprint = models.CharField(max_length=64, help_text=_("SHA-256 of method, address and body."))
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(blank=True)
    created_at = models.DateTimeField(default=now, editable=False)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="accounts_idempotency_key_once")]
        indexes = [models.Index(fields=["created_at"], name="accounts_answers_by_age")]

    def __str__(self):
        return self.key
