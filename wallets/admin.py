"""The ledger for staff: everything to look at, nothing to change by hand. Its two buttons call the actions."""

from django.contrib import admin, messages
from django.contrib.auth import get_user_model
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from accounts.actions import lock_group
from accounts.models import ProjectGroup
from mentorbook.locks import patiently
from mentorbook.readonly import ReadOnlyAdmin, ReadOnlyInline, admin_link
from mentorbook.refusals import form_status, refusals_on
from wallets.actions import (
    adjust_points,
    grant_points,
    issuance_wallet,
    lock_wallets,
    reverse_transaction,
    wallet_of,
    wallet_of_group,
)
from wallets.forms import GrantForm, NoteForm
from wallets.models import Transaction, Transfer, Wallet

User = get_user_model()

MOST_PEOPLE = 200  # what fits an address; beyond that there is `manage.py grant_points --csv`


def may_grant(request):
    return request.user.has_perm("wallets.grant_points")


def to_grant_page(request, people_ids, group_ids=()):
    """Go to the page that grants points to these people and project groups."""
    if not may_grant(request):
        raise PermissionDenied
    chosen = {"people": list(people_ids[: MOST_PEOPLE + 1]), "groups": list(group_ids[: MOST_PEOPLE + 1])}
    if not any(chosen.values()):
        messages.warning(request, _("None of these wallets belongs to a person or a group."))
        return None
    if sum(map(len, chosen.values())) > MOST_PEOPLE:
        text = _("Choose at most %(most)d people at once; for more there is the command grant_points with a CSV file.")
        messages.error(request, text % {"most": MOST_PEOPLE})
        return None
    query = "&".join(f"{name}={','.join(map(str, ids))}" for name, ids in chosen.items() if ids)
    return redirect(f"{reverse('admin:wallets_wallet_grant')}?{query}")


@admin.action(description=_("Grant points …"), permissions=["grant"])
def grant_points_to_people(modeladmin, request, people):
    return to_grant_page(request, people.order_by("pk").values_list("pk", flat=True))


class TransferInline(ReadOnlyInline):
    model = Transfer
    fields = readonly_fields = ["from_wallet", "to_wallet", "points"]
    verbose_name_plural = _("what moved")

    def get_queryset(self, request):
        wallets = ["source__user", "source__group", "destination__user", "destination__group"]
        return super().get_queryset(request).select_related(*wallets).order_by("id")

    @admin.display(description=_("from"))
    def from_wallet(self, transfer):
        return admin_link(transfer.source)

    @admin.display(description=_("to"))
    def to_wallet(self, transfer):
        return admin_link(transfer.destination)


@admin.register(Wallet)
class WalletAdmin(ReadOnlyAdmin):
    list_display = ["__str__", "kind", "balance_points", "belongs_to", "movements", "created_at"]
    list_filter = ["kind", "created_at"]
    list_select_related = ["user", "group"]
    search_fields = ["=id", "user__email", "user__name", "group__name"]
    search_help_text = _("Number of the wallet, name or address of its owner, name of the project group")
    fields = ["kind", "belongs_to", "balance_points", "movements", "created_at"]
    actions = ["grant_points_to_owners"]

    def get_urls(self):
        grant = path("grant/", self.admin_site.admin_view(self.grant_view), name="wallets_wallet_grant")
        return [grant, *super().get_urls()]

    @admin.display(description=_("belongs to"), ordering="user__name")
    def belongs_to(self, wallet):
        return admin_link(wallet.user or wallet.group)

    @admin.display(description=_("movements"))
    def movements(self, wallet):
        url = reverse("admin:wallets_transfer_changelist")
        return format_html('<a href="{}?wallet={}">{}</a>', url, wallet.pk, _("Show"))

    def has_grant_permission(self, request):
        return may_grant(request)

    @admin.action(description=_("Grant points …"), permissions=["grant"])
    def grant_points_to_owners(self, request, wallets):
        owners = wallets.filter(user__isnull=False).order_by("user_id").values_list("user_id", flat=True)
        groups = wallets.filter(group__dissolved_at=None, group__isnull=False).order_by("group_id")
        return to_grant_page(request, owners, groups.values_list("group_id", flat=True))

    def grant_view(self, request):
        """How many points, and why; then granted to all of them or to nobody."""
        if not may_grant(request):
            raise PermissionDenied
        people, groups = self._chosen(request)
        form = GrantForm(request.POST or None)
        if form.is_valid():
            with refusals_on(form):
                self._grant_all(people, groups, by=request.user, **form.cleaned_data)
            if form.is_valid():
                points = form.cleaned_data["points"]
                text = ngettext(
                    "%(points)d points each for %(count)d person.",
                    "%(points)d points each for %(count)d people.",
                    len(people),
                )
                if groups:
                    text = _("%(points)d points each for: %(names)s.")
                names = ", ".join(map(str, [*groups, *people]))
                messages.success(request, text % {"points": points, "count": len(people), "names": names})
                return redirect("admin:wallets_wallet_changelist")
        context = {
            **self.admin_site.each_context(request),
            "title": _("Grant points"),
            "opts": self.model._meta,
            "people": people,
            "groups": groups,
            "form": form,
            "back_url": reverse("admin:wallets_wallet_changelist"),
        }
        return TemplateResponse(request, "admin/wallets/wallet/grant.html", context, status=form_status(form))

    def _chosen(self, request):
        """The people and the project groups that the address names."""
        chosen = []
        for name, rows in (("people", User.objects), ("groups", ProjectGroup.objects.active())):
            ids = request.GET[name].split(",") if name in request.GET else []
            if len(ids) > MOST_PEOPLE or not all(number.isascii() and number.isdigit() for number in ids):
                raise Http404
            chosen.append(list(rows.filter(pk__in=[int(number[:18]) for number in ids]).order_by("pk")))
        if not any(chosen):
            raise Http404
        return chosen

    @patiently
    @transaction.atomic
    def _grant_all(self, people, groups, **what):
        """To all of them or to nobody, with every lock taken in its order: groups before wallets, these by id."""
        for group in groups:
            lock_group(group.pk)
        wallets = [*map(wallet_of_group, groups), *map(wallet_of, people), issuance_wallet()]
        lock_wallets([wallet.pk for wallet in wallets])
        for owner in [*groups, *people]:
            self._grant(owner, **what)

    def _grant(self, owner, *, points, note, form_key, by):
        give = grant_points if points > 0 else adjust_points
        whose = f"group-{owner.pk}" if isinstance(owner, ProjectGroup) else owner.pk
        give(owner, points=points, by=by, note=note, idempotency_key=f"admin:{form_key}:{whose}")


class ReversedFilter(admin.SimpleListFilter):
    title = _("reversed")
    parameter_name = "reversed"

    def lookups(self, request, model_admin):
        return [("yes", _("Yes")), ("no", _("No"))]

    def queryset(self, request, transactions):
        if self.value() in ("yes", "no"):
            return transactions.filter(reversed_by__isnull=self.value() == "no")
        return transactions


@admin.register(Transaction)
class TransactionAdmin(ReadOnlyAdmin):
    list_display = ["id", "reason", "points_moved", "about", "actor", "note", "created_at"]
    list_display_links = ["id", "reason"]
    list_filter = ["reason", ReversedFilter, "created_at"]
    search_fields = [
        "=id",
        "note",
        "=idempotency_key",
        "actor__email",
        "transfers__source__user__email",
        "transfers__source__user__name",
        "transfers__destination__user__email",
        "transfers__destination__user__name",
        "transfers__source__group__name",
        "transfers__destination__group__name",
    ]
    search_help_text = _("Number, note, key, or a person who gave, got or acted")
    fields = ["reason", "about", "by", "note", "idempotency_key", "undoes", "undone_by", "created_at"]
    inlines = [TransferInline]
    change_form_template = "admin/wallets/transaction/change_form.html"

    def get_queryset(self, request):
        rows = super().get_queryset(request).select_related("actor", "reverses", "reversed_by")
        return rows.prefetch_related("transfers", "subject")

    def get_urls(self):
        reverse_url = path(
            "<int:pk>/reverse/", self.admin_site.admin_view(self.reverse_view), name="wallets_transaction_reverse"
        )
        return [reverse_url, *super().get_urls()]

    @admin.display(description=_("points"))
    def points_moved(self, row):
        return sum(transfer.points for transfer in row.transfers.all())

    @admin.display(description=_("about"))
    def about(self, row):
        return admin_link(row.subject)

    @admin.display(description=_("by"))
    def by(self, row):
        return admin_link(row.actor)

    @admin.display(description=_("reverses"))
    def undoes(self, row):
        return admin_link(row.reverses)

    @admin.display(description=_("reversed by"))
    def undone_by(self, row):
        return admin_link(getattr(row, "reversed_by", None))

    def change_view(self, request, object_id, form_url="", extra_context=None):
        row = self.get_object(request, object_id)
        can_reverse = bool(row) and self.has_reverse_permission(request) and row.can_be_reversed_by_staff
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), "can_reverse": can_reverse})

    def has_reverse_permission(self, request):
        return request.user.has_perm("wallets.reverse_transaction")

    def reverse_view(self, request, pk):
        """Say what will move back, ask why, and do it."""
        if not self.has_reverse_permission(request):
            raise PermissionDenied
        row = get_object_or_404(self.get_queryset(request), pk=pk)
        page = reverse("admin:wallets_transaction_change", args=[row.pk])
        if not row.can_be_reversed_by_staff:
            messages.error(
                request,
                _("This cannot be reversed here: it was reversed already, is a reversal, or belongs to a session."),
            )
            return HttpResponseRedirect(page)
        form = NoteForm(request.POST or None)
        if form.is_valid():
            with refusals_on(form):
                reversal = reverse_transaction(row, by=request.user, note=form.cleaned_data["note"])
                messages.success(request, _("Reversed. The points are back where they came from."))
                return redirect("admin:wallets_transaction_change", reversal.pk)
        context = {
            **self.admin_site.each_context(request),
            "title": _("Reverse transaction"),
            "opts": self.model._meta,
            "original": row,
            "transfers": row.transfers.select_related(
                "source__user", "source__group", "destination__user", "destination__group"
            ).order_by("-id"),
            "form": form,
            "back_url": page,
        }
        return TemplateResponse(request, "admin/wallets/transaction/reverse.html", context, status=form_status(form))


class OfWalletFilter(admin.SimpleListFilter):
    """Both directions of one wallet; the links beside wallets lead here."""

    title = _("wallet")
    parameter_name = "wallet"

    def has_output(self):
        return True

    def lookups(self, request, model_admin):
        value = self.used_parameters.get(self.parameter_name) or request.GET.get(self.parameter_name, "")
        return [(value, value)] if value else []

    def queryset(self, request, transfers):
        value = self.value() or ""
        if not value:
            return transfers
        return transfers.of(int(value[:18])) if value.isascii() and value.isdigit() else transfers.none()


@admin.register(Transfer)
class TransferAdmin(ReadOnlyAdmin):
    list_display = ["id", "from_wallet", "to_wallet", "points", "why", "created_at"]
    list_filter = [OfWalletFilter, "transaction__reason", "transaction__created_at"]
    list_select_related = ["transaction", "source__user", "source__group", "destination__user", "destination__group"]
    search_fields = [
        "=id",
        "=transaction__id",
        "transaction__note",
        "source__user__email",
        "source__user__name",
        "destination__user__email",
        "destination__user__name",
        "source__group__name",
        "destination__group__name",
    ]
    search_help_text = _("Number, number or note of the transaction, or a person who gave or got")
    fields = ["why", "from_wallet", "to_wallet", "points", "created_at"]

    @admin.display(description=_("from"), ordering="source")
    def from_wallet(self, transfer):
        return admin_link(transfer.source)

    @admin.display(description=_("to"), ordering="destination")
    def to_wallet(self, transfer):
        return admin_link(transfer.destination)

    @admin.display(description=_("transaction"), ordering="transaction")
    def why(self, transfer):
        return admin_link(transfer.transaction)

    @admin.display(description=_("when"), ordering="transaction__created_at")
    def created_at(self, transfer):
        return transfer.transaction.created_at


# People are where staff look first. Accounts stand below wallets and do not know them, so the action comes from here.
if admin.site.is_registered(User):
    people_admin = admin.site.get_model_admin(User)
    people_admin.actions = [*(people_admin.actions or []), grant_points_to_people]
    people_admin.has_grant_permission = may_grant
