"""What is written in a ticket: sent, changed, marked, and looked for by pages that are open."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe
from django.views.decorators.vary import vary_on_headers

from mentorbook.errors import NotAllowed
from mentorbook.limits import takes_files
from mentorbook.refusals import refusals_on, render_form
from tickets import actions, news
from tickets.forms.asking import PreviewForm
from tickets.forms.conversation import EditReplyForm, NoteForm, ReplyForm, UsefulForm
from tickets.models import Reply
from tickets.standpoint import Standpoint
from tickets.views.ticket import find_ticket, render_ticket, share_form

PREVIEW = "preview"


@takes_files
@require_POST
def reply(request, pk):
    ticket = find_ticket(request, pk)
    if request.POST.get("do") == PREVIEW:
        return render_ticket(request, pk, form=ReplyForm.still_typed(request.POST, request.FILES), preview=True)
    form = ReplyForm(request.POST, request.FILES)
    if form.is_valid() or not ticket.can_be_replied_to_by(request.user):  # why not, the action says
        with refusals_on(form):
            written = actions.reply_to_ticket(ticket, by=request.user, now=timezone.now(), **form.written)
            return redirect(written)
    return render_ticket(request, pk, form=form)


@require_POST
def note(request, pk):
    ticket = find_ticket(request, pk)
    form = NoteForm(request.POST)
    if form.is_valid() or not request.user.is_staff:  # the action says so
        with refusals_on(form):
            text = form.cleaned_data.get("text", "")
            written = actions.add_note(ticket, by=request.user, text=text, now=timezone.now())
            return redirect(written)
    return render_ticket(request, pk, note_form=form)


@require_http_methods(["GET", "HEAD", "POST"])
def edit_reply(request, pk, reply_pk):
    written = _find_reply(request, pk, reply_pk)
    now = timezone.now()
    if request.method != "POST" and not written.can_be_edited_by(request.user, now):
        if written.author_id != request.user.pk:
            raise NotAllowed
        raise actions.TooLateToEdit
    wants_preview = request.POST.get("do") == PREVIEW
    form = EditReplyForm(request.POST if request.method == "POST" else None, initial={"text": written.text})
    if wants_preview:
        form = EditReplyForm(initial={"text": request.POST.get("text", "")})
    elif form.is_valid() or not written.can_be_edited_by(request.user, now):  # why not, the action says
        with refusals_on(form):
            text = form.cleaned_data.get("text", "")
            written = actions.edit_reply(written, by=request.user, text=text, now=now)
            messages.success(request, _("Your reply is changed."))
            return redirect(written)
    preview = PreviewForm.of(form["text"].value()) if wants_preview else None
    context = {"ticket": written.ticket, "reply": written, "preview": preview}
    return render_form(request, "tickets/edit_reply.html", form, context)


@require_POST
def useful(request, pk, reply_pk):
    written = _find_reply(request, pk, reply_pk)
    form = UsefulForm(request.POST)
    if form.is_valid():
        with refusals_on(form):
            return redirect(actions.mark_useful(written, by=request.user, now=timezone.now(), **form.cleaned_data))
    return render_ticket(request, pk, refused=form)


@require_safe
@vary_on_headers("HX-Request")
def conversation(request, pk):
    """What is new since `?seen=`, the token of a page that is open; 204 for nothing."""
    ticket = find_ticket(request, pk)
    if not request.htmx:
        return redirect(f"{ticket.get_absolute_url()}#conversation")
    token = news.Token.read(request.GET.get("seen", ""))
    if not news.news_since(token, ticket, news.glance(ticket, request.user)):
        return HttpResponse(status=204)
    seen = Standpoint(ticket, request.user, timezone.now())
    glanced = news.glance_at(post.reply for post in seen.replies)
    # What is being typed, and words that could not be sent, are never replaced.
    place = request.GET.get("place")
    is_taken = place in (news.Place.FORM, news.Place.WORDS)
    new = [post for post in seen.replies if token and post.reply.pk > token.last_reply]
    context = {
        "ticket": ticket,
        "seen": seen,
        "share_form": share_form(seen),
        "news": news.news_since(token, ticket, glanced),
        "new_replies": new,
        "new_authors": dict.fromkeys(str(post.reply.author) for post in new if not post.is_own),
        "token": news.token_of(ticket, glanced),
        "place": place if is_taken else news.Place.of(seen),
        "form": None if is_taken else ReplyForm(),
    }
    return render(request, "tickets/_news.html", context)


def _find_reply(request, pk, reply_pk):
    visible = Reply.objects.visible_to(request.user).filter(ticket=pk)
    return get_object_or_404(visible.select_related("ticket__student", "ticket__mentor__user"), pk=reply_pk)
