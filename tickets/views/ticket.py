"""A ticket's page, and the steps of its life."""

from collections.abc import Callable
from dataclasses import dataclass

from django import forms
from django.contrib import messages
from django.http import Http404
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mentorbook.limits import takes_files
from mentorbook.refusals import form_status, refusals_on, render_form
from tickets import actions, news
from tickets.actions.states import refuse_former_mentor, refuse_unless
from tickets.forms.asking import PreviewForm, ShareForm
from tickets.forms.conversation import NoteForm, PublishForm, ReleaseForm, ReopenForm, ReplyForm, SolutionForm
from tickets.models import Reply, Ticket
from tickets.standpoint import Standpoint

Status = Ticket.Status
Kind = Reply.Kind


@require_safe
def detail(request, pk):
    return render_ticket(request, pk)


@require_POST
def accept(request, pk):
    return _at_once(request, pk, actions.accept_ticket, _("It is yours. %(name)s has been told."))


@require_POST
def close(request, pk):
    return _at_once(request, pk, actions.close_ticket, _("Closed. %(name)s has been told."))


@require_POST
def publish(request, pk):
    ticket = find_ticket(request, pk)
    form = PublishForm(request.POST)
    if form.is_valid():
        with refusals_on(form):
            ticket = actions.set_public(ticket, by=request.user, now=timezone.now(), **form.cleaned_data)
            shared, kept = _("Others may learn from it."), _("It stays between you, your mentor and staff.")
            messages.success(request, shared if ticket.is_public else kept)
            return redirect(ticket)
    return render_ticket(request, pk, refused=form)


@require_POST
def share(request, pk):
    ticket = find_ticket(request, pk)
    form = ShareForm(request.POST, student=request.user, shared_with=ticket.group)
    if form.is_valid() or not ticket.is_asked_by(request.user):  # why not, the action says
        with refusals_on(form):
            group = form.cleaned_data.get("group")
            ticket = actions.share_ticket(ticket, by=request.user, group=group, now=timezone.now())
            kept = _("Nobody of your groups reads it any more.")
            messages.success(request, _("The members of %(group)s can read it.") % {"group": group} if group else kept)
            return redirect(ticket)
    return render_ticket(request, pk, refused=form)


@dataclass(frozen=True)
class Step:
    """A step that is asked about before it is taken."""

    action: Callable
    form: type
    template: str
    confirm_label: str
    outcome: str
    status: str
    is_business_of: Callable


RELEASE = Step(
    actions.release_ticket,
    ReleaseForm,
    "tickets/release.html",
    _("Give it back"),
    _("Given back. %(name)s has been told."),
    Status.ASSIGNED,
    Ticket.is_mentored_by,
)
REOPEN = Step(
    actions.reopen_ticket,
    ReopenForm,
    "tickets/reopen.html",
    _("Reopen the ticket"),
    _("Reopened. %(name)s has been told."),
    Status.RESOLVED,
    Ticket.is_asked_by,
)


@require_http_methods(["GET", "HEAD", "POST"])
def release(request, pk):
    return _asked_first(request, pk, RELEASE)


@require_http_methods(["GET", "HEAD", "POST"])
def reopen(request, pk):
    return _asked_first(request, pk, REOPEN)


@takes_files
@require_http_methods(["GET", "HEAD", "POST"])
def resolve(request, pk):
    """The solution: a new text (from the form for replies), or `?reply=` one that its mentor wrote before."""
    ticket = find_ticket(request, pk)
    own = Reply.objects.visible_to(request.user).filter(ticket=ticket, author=request.user).exclude(kind=Kind.NOTE)
    if request.method != "POST":
        return _ask_whether_solution(request, ticket, own)
    form = SolutionForm(request.POST, request.FILES, replies=own)
    if form.is_valid() or not ticket.can_be_resolved_by(request.user):  # why not, the action says
        with refusals_on(form):
            ticket = actions.resolve_ticket(ticket, by=request.user, now=timezone.now(), **form.written)
            messages.success(request, _("Solved. %(name)s is asked whether it helped.") % _name(ticket.student))
            return redirect(ticket.solution)
    return render_ticket(request, pk, form=form)


def _ask_whether_solution(request, ticket, own):
    refused = _why_not(ticket, request.user, Status.ASSIGNED, Ticket.is_mentored_by)
    if refused.errors:
        return render_ticket(request, ticket.pk, refused=refused)
    if "reply" not in request.GET:
        return redirect(f"{ticket.get_absolute_url()}#write")
    form = SolutionForm({"reply": request.GET["reply"]}, replies=own)
    if not form.is_valid():
        raise Http404
    context = {"ticket": ticket, "reply": form.cleaned_data["reply"], "confirm_label": _("Mark it as the solution")}
    return render(request, "tickets/resolve.html", context | {"cancel_url": ticket.get_absolute_url()})


def _at_once(request, pk, action, outcome):
    ticket = find_ticket(request, pk)
    button = forms.Form({})
    with refusals_on(button):
        ticket = action(ticket, by=request.user, now=timezone.now())
        messages.success(request, outcome % _name(ticket.other_side(request.user)))
        return redirect(ticket)
    return render_ticket(request, pk, refused=button)


def _asked_first(request, pk, step):
    ticket = find_ticket(request, pk)
    form = step.form(request.POST if request.method == "POST" else None)
    if form.is_valid():
        name = _name(ticket.other_side(request.user) or ticket.student)
        with refusals_on(form):
            ticket = step.action(ticket, by=request.user, now=timezone.now(), **form.cleaned_data)
            messages.success(request, step.outcome % name)
            return redirect(ticket)
    else:
        refused = _why_not(ticket, request.user, step.status, step.is_business_of)
        if refused.errors:
            return render_ticket(request, pk, refused=refused)
    if getattr(form, "refusal", None) and form.refusal.field not in form.fields:
        return render_ticket(request, pk, refused=form)
    context = {"ticket": ticket, "confirm_label": step.confirm_label, "cancel_url": ticket.get_absolute_url()}
    return render_form(request, step.template, form, context)


def _why_not(ticket, user, status, is_business_of):
    """A form with the refusal that the step's action would raise, or without errors."""
    button = forms.Form({})
    with refusals_on(button):
        refuse_former_mentor(ticket, user)
        refuse_unless(ticket, status, allowed=is_business_of(ticket, user))
    return button


def _name(person):
    return {"name": person.get_short_name()}


def find_ticket(request, pk):
    return get_object_or_404(Ticket.objects.visible_to(request.user).with_people(), pk=pk)


def share_form(seen):
    """Where its student chooses who else reads it; None for everybody else, and where there is nobody to choose."""
    if not seen.can_share:
        return None
    ticket = seen.ticket
    return ShareForm(student=seen.viewer, shared_with=ticket.group, initial={"group": ticket.group_id})


def render_ticket(request, pk, *, form=None, note_form=None, refused=None, preview=False):
    """The ticket's page: around a form that was sent as it was, and after a refusal with that on top, at its status.

    Whoever was refused because the ticket has gone out of their sight meanwhile is still told why.
    """
    bound = refused or form or note_form
    refusal = getattr(bound, "refusal", None)
    ticket = Ticket.objects.visible_to(request.user).with_people().filter(pk=pk).first()
    if ticket is None:
        raise refusal or Http404
    seen = Standpoint(ticket, request.user, timezone.now())
    glanced = news.glance_at(post.reply for post in seen.replies)
    form = form or ReplyForm()
    sharing = refused if isinstance(refused, ShareForm) else None
    context = {
        "ticket": ticket,
        "seen": seen,
        "form": form,
        "preview": PreviewForm.of(form["text"].value()) if preview else None,
        "note_form": note_form or NoteForm(),
        "share_form": sharing or share_form(seen),
        "refusal": refusal if refusal and refusal.field not in bound.fields else None,
        "token": news.token_of(ticket, glanced),
        "place": news.Place.of(seen, unsent=form["text"].value()),
    }
    return render(request, "tickets/ticket_detail.html", context, status=form_status(bound) if bound else 200)
