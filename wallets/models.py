from django.conf import settings
from django.contrib.contenttypes.fields import GenericForeignKey
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

MAX_POINTS = 1_000_000_000  # in one transfer, far from where a column of sums would overflow


class WalletQuerySet(models.QuerySet):
    def held_for(self, payer):
        """Escrows that have points of `payer` now."""
        holds = Transfer.objects.filter(source=payer, transaction__reason=Transaction.Reason.HOLD)
        return self.filter(kind=Wallet.Kind.ESCROW, balance_points__gt=0, pk__in=holds.values("destination"))


class Wallet(models.Model):
    """A place where points are. `balance_points` is a cache of its transfers, kept at or above zero by the database."""

    class Kind(models.TextChoices):
        USER = "user", _("person")
        GROUP = "group", _("project group")
        ESCROW = "escrow", _("escrow of an appointment")
        ISSUANCE = "issuance", _("issuance")

    kind = models.CharField(max_length=10, choices=Kind.choices)
    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="wallet"
    )
    group = models.OneToOneField(
        "accounts.ProjectGroup", on_delete=models.PROTECT, null=True, blank=True, related_name="wallet"
    )
    balance_points = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects = WalletQuerySet.as_manager()

    class Meta:
        permissions = [("grant_points", "Can grant points and take them away")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(balance_points__gte=0) | models.Q(kind="issuance"),
                name="wallets_never_below_zero",
            ),
            models.CheckConstraint(
                condition=models.Q(kind="user", user__isnull=False, group=None)
                | models.Q(kind="group", user=None, group__isnull=False)
                | models.Q(kind__in=["escrow", "issuance"], user=None, group=None),
                name="wallets_owner_fits_kind",
            ),
            models.UniqueConstraint(fields=["kind"], condition=models.Q(kind="issuance"), name="wallets_one_issuance"),
        ]

    def __str__(self):
        return str(self.user or self.group or f"{self.get_kind_display()} {self.pk}")


class Transaction(models.Model):
    """One thing that happened to points. Never changed or deleted: a mistake is answered by one that reverses it."""

    class Reason(models.TextChoices):
        SIGNUP_GRANT = "signup_grant", _("welcome points")
        GRANT = "grant", _("points granted")
        HOLD = "hold", _("held for a session")
        RELEASE = "release", _("returned")
        CAPTURE = "capture", _("session paid")
        TRANSFER = "transfer", _("transfer")
        CONTRIBUTION = "contribution", _("contribution to the group")
        GIVEN_BACK = "given_back", _("given back by the group")
        ADJUSTMENT = "adjustment", _("adjustment by staff")
        CLAWBACK = "clawback", _("taken back for a dispute")
        REVERSAL = "reversal", _("reversal")

    reason = models.CharField(max_length=20, choices=Reason.choices)
    actor = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text=_("Who did it; empty when it happened by itself."),
    )
    note = models.CharField(max_length=300, blank=True)
    idempotency_key = models.CharField(max_length=120, unique=True, null=True, blank=True)
    reverses = models.OneToOneField("self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversed_by")
    subject_type = models.ForeignKey(ContentType, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    subject_id = models.PositiveBigIntegerField(null=True, blank=True)
    subject = GenericForeignKey("subject_type", "subject_id")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        permissions = [("reverse_transaction", "Can reverse transactions")]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(reason="reversal", reverses__isnull=False)
                | (~models.Q(reason="reversal") & models.Q(reverses=None)),
                name="wallets_reversal_names_original",
            ),
            models.CheckConstraint(
                condition=~models.Q(reason__in=["reversal", "adjustment"], note=""),
                name="wallets_corrections_say_why",
            ),
            models.CheckConstraint(
                condition=models.Q(subject_type=None, subject_id=None)
                | models.Q(subject_type__isnull=False, subject_id__isnull=False),
                name="wallets_subject_whole",
            ),
        ]
        indexes = [models.Index(fields=["subject_type", "subject_id"], name="wallets_of_subject")]

    def __str__(self):
        return f"{self.get_reason_display()} ({self.pk})"

    @property
    def can_be_reversed_by_staff(self):
        """Whether a button may undo it: once, and not behind the back of a session, whose state must fit its points."""
        if hasattr(self, "reversed_by") or self.reason == self.Reason.REVERSAL:
            return False
        escrow = models.Q(source__kind=Wallet.Kind.ESCROW) | models.Q(destination__kind=Wallet.Kind.ESCROW)
        return not self.transfers.filter(escrow).exists()

    def points_to(self, wallet):
        """How many points this brought to `wallet`."""
        return sum(transfer.points for transfer in self.transfers.all() if transfer.destination_id == wallet.pk)


class TransferQuerySet(models.QuerySet):
    def of(self, wallet):
        """Those that brought points to `wallet` or took them from it."""
        return self.filter(models.Q(source=wallet) | models.Q(destination=wallet))

    def with_running_balance(self, wallet):
        """Each row's `change_points` seen from `wallet`, and `running_points`: what was in it afterwards.

        Ids are given while the wallet is locked, so their order is the order in which its balance moved.
        """
        return self.of(wallet).annotate(
            change_points=models.Case(
                models.When(destination=wallet, then=models.F("points")), default=-models.F("points")
            ),
            running_points=models.Window(models.Sum("change_points"), order_by=models.F("id").asc()),
        )


class Transfer(models.Model):
    """Points that went from one wallet to one other; the sum over all wallets is zero by construction."""

    transaction = models.ForeignKey(Transaction, on_delete=models.PROTECT, related_name="transfers")
    source = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="transfers_out")
    destination = models.ForeignKey(Wallet, on_delete=models.PROTECT, related_name="transfers_in")
    points = models.BigIntegerField()

    objects = TransferQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=models.Q(points__gt=0), name="wallets_transfer_above_zero"),
            models.CheckConstraint(
                condition=~models.Q(source=models.F("destination")), name="wallets_transfer_between_two"
            ),
        ]
        indexes = [
            models.Index(fields=["source", "id"], name="wallets_transfers_out"),
            models.Index(fields=["destination", "id"], name="wallets_transfers_in"),
        ]

    def __str__(self):
        return f"{self.points}: {self.source_id} → {self.destination_id}"
