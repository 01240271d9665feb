"""Asking: a new question and its draft, a question changed or taken back, and the list of one's own."""

from django.contrib import messages
from django.db.models import Q
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from mentorbook.errors import NotAllowed
from mentorbook.limits import takes_files
from mentorbook.pages import paginate
from mentorbook.refusals import form_status, refusals_on, render_form
from tickets import actions
from tickets.forms.asking import PreviewForm, TicketForm, as_it_is, beginning, brought_along
from tickets.models import Draft, Ticket
from tickets.search import similar_articles
from tickets.standpoint import Standpoint
from tickets.views.ticket import find_ticket

Status = Ticket.Status
TABS = {
    "open": Q(status__in=[Status.OPEN, Status.ASSIGNED, Status.RESOLVED]),
    "closed": Q(status=Status.CLOSED),
    "all": Q(),
}
SIMILAR = 5
# What the other buttons of the form want instead of sending it off.
PREVIEW, FIND_SIMILAR, KEEP = "preview", "similar", "draft"


@require_safe
def ticket_list(request):
    now = timezone.now()
    show = request.GET.get("show")
    if show not in TABS:
        show = "open"
    page = paginate(request, Ticket.objects.of_student(request.user).filter(TABS[show]).for_rows())
    context = {
        "show": show,
        "page": page,
        "rows": [Standpoint(ticket, request.user, now) for ticket in page],
        "draft": _draft_of(request.user),
    }
    return render(request, "tickets/ticket_list.html", context)


# --- A new question ---------------------------------------------------------------------------------------------------


@takes_files
@require_http_methods(["GET", "HEAD", "POST"])
def create(request):
    draft = _draft_of(request.user)
    if request.method != "POST":
        form = TicketForm(initial=beginning(draft, brought_along(request.GET)), **_known(request.user, draft))
        return _render_new(request, form, draft)
    now, wish = timezone.now(), request.POST.get("do")
    form = TicketForm(request.POST, request.FILES, **_known(request.user, draft))
    if wish in (PREVIEW, FIND_SIMILAR, KEEP):
        form.ask_files_only()
    elif form.is_valid():
        with refusals_on(form):
            if form.removed_files:
                draft = actions.save_draft(request.user, **form.typed, remove=form.removed_files, now=now)
            question = {**form.question, "draft": draft, "idempotency_key": form.once}
            ticket = actions.create_ticket(request.user, **question, now=now)
            messages.success(request, _("Asked. Mentors see it now, and you are told as soon as one takes it."))
            return redirect(ticket)
    draft = _keep(form, request.user, now) or draft
    if wish == KEEP and form.is_valid():
        messages.success(request, _("Your draft is saved. It waits here, also on your other devices."))
        return redirect("tickets:create")
    return _render_new(request, form, draft, with_preview=wish == PREVIEW)


def _keep(form, user, now):
    """Save what came as the draft, and with it the files that are good, so that nobody has to choose them again."""
    refusal = getattr(form, "refusal", None)
    files = () if refusal and refusal.field == "files" else form.accepted_files
    with refusals_on(form):
        return actions.save_draft(user, **form.typed, files=files, remove=form.removed_files, now=now)


def _render_new(request, form, draft, *, with_preview=False):
    brought = brought_along(request.GET)
    context = {
        "draft": draft,
        "files": _files_of(draft),
        "similar": _similar(request.user, form["title"].value()),
        "preview": PreviewForm.of(form["description"].value()) if with_preview else None,
        # A link brought a title along, and the draft is in its way.
        "other_title": brought["title"] if draft and draft.title not in ("", brought["title"]) else "",
    }
    return render_form(request, "tickets/ticket_form.html", form, context)


@require_safe
def similar(request):
    """Articles like the title that is being typed."""
    title = request.GET.get("title", "")
    if not request.htmx:
        return redirect(reverse("tickets:create", query={"title": title} if title else None))
    return render(request, "tickets/_similar.html", {"similar": _similar(request.user, title)})


@require_POST
def preview(request):
    """A text as it will look."""
    form = PreviewForm.of(request.POST.get("text") or request.POST.get("description", ""))
    template = "tickets/_preview.html" if request.htmx else "tickets/preview.html"
    return render(request, template, {"preview": form}, status=form_status(form))


@require_POST
def save_draft(request):
    """The words so far, sent while somebody types. What was asked meanwhile does not come back as a draft."""
    form = TicketForm(request.POST)
    context = {"form": form, "asked": _asked_from(request.user, form.page)}
    if not context["asked"]:
        context["draft"] = actions.save_draft(request.user, **form.typed, now=timezone.now())
    if not request.htmx:
        return HttpResponse(status=204)  # sent by a page that is being left
    return render(request, "tickets/_draft_state.html", context | {"oob": True})


@require_http_methods(["GET", "HEAD", "POST"])
def discard_draft(request):
    draft = _draft_of(request.user)
    if request.method == "POST":
        actions.discard_draft(request.user)
        messages.success(request, _("The draft is gone."))
        return redirect("tickets:create")
    if draft is None:
        return redirect("tickets:create")
    context = {"draft": draft, "files": _files_of(draft), "confirm_label": _("Discard the draft"), "tone": "danger"}
    return render(request, "tickets/discard_draft.html", context | {"cancel_url": reverse("tickets:create")})


# --- A question changed or taken back ---------------------------------------------------------------------------------


@takes_files
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request, pk):
    ticket = _find_own(request, pk)
    files = list(ticket.attachments.all())
    has = {"attachments": files, "student": request.user, "group": ticket.group}
    if request.method != "POST":
        _refuse_unless_open(ticket, request.user)
        form = TicketForm(initial=as_it_is(ticket), **has)
    else:
        form = TicketForm(request.POST, request.FILES, **has)
        if request.POST.get("do") == PREVIEW:
            form.ask_files_only()
        elif form.is_valid():
            with refusals_on(form):
                changes = {**form.question, "remove": form.removed_files}
                ticket = actions.edit_ticket(ticket, by=request.user, **changes, now=timezone.now())
                messages.success(request, _("Your question is changed."))
                return redirect(ticket)
    preview = PreviewForm.of(form["description"].value()) if request.POST.get("do") == PREVIEW else None
    context = {"ticket": ticket, "files": files, "preview": preview}
    return render_form(request, "tickets/ticket_form.html", form, context)


@require_http_methods(["GET", "HEAD", "POST"])
def delete(request, pk):
    ticket = _find_own(request, pk)
    if request.method == "POST":
        actions.delete_ticket(ticket, by=request.user, now=timezone.now())
        messages.success(request, _("The question is deleted."))
        return redirect("tickets:list")
    _refuse_unless_open(ticket, request.user)
    context = {"ticket": ticket, "files": list(ticket.attachments.all()), "confirm_label": _("Delete the question")}
    return render(request, "tickets/delete.html", context | {"tone": "danger", "cancel_url": ticket.get_absolute_url()})


def _find_own(request, pk):
    """The ticket, which mentors and staff may see as well, for its student only."""
    ticket = find_ticket(request, pk)
    if not ticket.is_asked_by(request.user):
        raise NotAllowed
    return ticket


def _refuse_unless_open(ticket, user):
    if not ticket.can_be_edited_by(user):
        raise actions.NotOpen


# --- What they are made of --------------------------------------------------------------------------------------------


def _draft_of(user):
    return Draft.objects.filter(student=user).first()


def _files_of(draft):
    return list(draft.attachments.all()) if draft else []


def _known(student, draft):
    """What the form of a new question has to know besides what is typed."""
    return {"attachments": _files_of(draft), "student": student}


def _asked_from(user, page):
    """The question that was sent off the page with this key."""
    if page is None:
        return None
    return Ticket.objects.of_student(user).filter(idempotency_key__startswith=f"{page}.").first()


def _similar(user, title):
    rows = Ticket.objects.readable_by(user).prefetch_related("tags").defer("description")
    return similar_articles(title, rows=rows, limit=SIMILAR) if title else []
