from django.contrib import messages
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_safe

from accounts.actions import NotOwner
from accounts.models import ProjectGroup
from mentorbook.pages import back, paginate
from mentorbook.refusals import refusals_on, render_form
from wallets import statement as statements
from wallets.actions import contribute_points, contributors_to, give_back_points
from wallets.forms import ContributeForm, GiveBackForm
from wallets.models import Wallet


@require_safe
def statement(request):
    """A person's own points: what is there, what is held, and how it came to be so."""
    wallet = Wallet.objects.filter(user=request.user).first()
    return render(request, "wallets/statement.html", _shown(request, wallet))


@require_safe
def statement_csv(request):
    wallet = Wallet.objects.filter(user=request.user).first()
    return _download(wallet, f"statement-{timezone.localdate():%Y-%m-%d}.csv")


@require_safe
def group(request, pk):
    """The same of a project group's wallet, for its members."""
    shown = _group(request, pk)
    wallet = Wallet.objects.filter(group=shown).first()
    context = {"group": shown, "form": ContributeForm(), **_shown(request, wallet)}
    context["contributors"] = contributors_to(wallet)
    context["is_owner"] = shown.is_owned_by(request.user)
    return render(request, "wallets/group.html", context)


@require_safe
def group_csv(request, pk):
    shown = _group(request, pk)
    wallet = Wallet.objects.filter(group=shown).first()
    return _download(wallet, f"statement-of-group-{shown.pk}-{timezone.localdate():%Y-%m-%d}.csv")


@require_http_methods(["GET", "HEAD", "POST"])
def contribute(request, pk):
    group = _group(request, pk)
    form = ContributeForm(request.POST if request.method == "POST" else None)
    if form.is_valid():
        with refusals_on(form):
            points, note = form.cleaned_data["points"], form.cleaned_data["note"]
            key = form.key("contribution", group, request.user)
            contribute_points(group, by=request.user, points=points, note=note, idempotency_key=key)
            text = ngettext("%(points)d point given to %(group)s.", "%(points)d points given to %(group)s.", points)
            messages.success(request, text % {"points": points, "group": group})
            return back(request, reverse("wallets:group", args=[group.pk]))
    return render_form(request, "wallets/contribute.html", form, {"group": group})


@require_http_methods(["GET", "HEAD", "POST"])
def give_back(request, pk):
    group = _group(request, pk)
    if not group.is_owned_by(request.user):
        raise NotOwner
    wallet = Wallet.objects.filter(group=group).first()
    contributors = contributors_to(wallet)
    form = GiveBackForm(request.POST if request.method == "POST" else None, contributors=contributors)
    if form.is_valid():
        with refusals_on(form):
            to, points, note = (form.cleaned_data[name] for name in ("to", "points", "note"))
            key = form.key("giving-back", group, request.user)
            give_back_points(group, to=to, points=points, by=request.user, note=note, idempotency_key=key)
            text = ngettext(
                "%(points)d point given back to %(name)s.", "%(points)d points given back to %(name)s.", points
            )
            messages.success(request, text % {"points": points, "name": to})
            return redirect("wallets:group", group.pk)
    context = {"group": group, "contributors": contributors, "balance_points": wallet.balance_points if wallet else 0}
    return render_form(request, "wallets/give_back.html", form, context)


def _group(request, pk):
    """A group of the person's own: its points are its members' business; staff look at them in the admin."""
    return get_object_or_404(ProjectGroup.objects.of_person(request.user).select_related("owner"), pk=pk)


def _shown(request, wallet):
    page = paginate(request, statements.statement_rows(wallet))
    for row in page:
        row.what = statements.what(row)
    return {
        "balance_points": wallet.balance_points if wallet else 0,
        "held_points": statements.held_points(wallet),
        "page": page,
    }


def _download(wallet, name):
    return StreamingHttpResponse(
        statements.statement_csv(wallet, timezone.get_current_timezone()),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
