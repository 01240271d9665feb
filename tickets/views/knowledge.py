"""The knowledge base: find an answer, read it, say that it helped, keep it."""

from dataclasses import asdict

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from mentorbook.markdown import render_each
from mentorbook.pages import back, paginate
from tickets import actions
from tickets.articles import as_row, bookmarked_by, browsed, marks_of
from tickets.forms.knowledge import HELPFUL, KnowledgeFilters
from tickets.models import MAX_IN_ARTICLE, Ticket, knowledge_is_open_to
from tickets.popular import popular_tags
from tickets.search import related_articles, search_tickets


@login_not_required
@require_safe
def article_list(request):
    if not knowledge_is_open_to(request.user):
        return redirect_to_login(request.get_full_path())
    filters = KnowledgeFilters(request.GET)
    articles = filters.rows(Ticket.objects.readable_by(request.user))
    found = search_tickets(articles.for_rows(), filters.text, order=filters.sort)
    page = paginate(request, browsed(articles, by_upvotes=filters.sort == HELPFUL) if found.is_empty else found)
    return render(
        request,
        "tickets/knowledge_list.html",
        {
            "filters": filters,
            "found": found,
            "page": page,
            "rows": [as_row(row) if found.is_empty else row for row in page],
            "sentence": sentence(filters, page.paginator.count, found),
            "chips": chips(filters, request.GET),
            "sorts": [
                (label, address(request.GET, sort=[sort]), sort == filters.sort) for sort, label in filters.sorts
            ],
            "suggestion_address": found.suggestion and address(request.GET, q=[found.suggestion]),
            "popular_tags": [] if filters.tags or filters.unknown_tags or filters.text else popular_tags(),
            "ask_address": reverse(
                "tickets:create", query={"title": filters.text, "tag": ",".join(tag.name for tag in filters.tags)}
            ),
        },
    )


@login_not_required
@require_safe
def article(request, pk, slug=""):
    if not knowledge_is_open_to(request.user):
        return redirect_to_login(request.get_full_path())
    found = Ticket.objects.readable_by(request.user).with_people().select_related("solution__author").filter(pk=pk)
    ticket = found.prefetch_related("tags", "attachments", "solution__attachments").first()
    if ticket is None:
        # Its own people read it where it lives.
        return redirect(get_object_or_404(Ticket.objects.visible_to(request.user), pk=pk))
    if slug != ticket.slug:
        return redirect(ticket.get_article_url(), permanent=True)
    useful = list(ticket.replies.public().select_related("author").prefetch_related("attachments")[:MAX_IN_ARTICLE])
    for reply, html in zip(useful, render_each((reply.text for reply in useful), top=3), strict=True):
        reply.html = html
    return render(
        request,
        "tickets/article.html",
        {
            "ticket": ticket,
            "replies": useful,
            "related": related_articles(ticket, rows=Ticket.objects.readable_by(request.user).only("title")),
            "canonical": settings.BASE_URL + ticket.get_article_url(),
            "is_own": ticket.is_asked_by(request.user) or ticket.is_mentored_by(request.user),
            **asdict(marks_of(ticket, request.user)),
        },
    )


@require_safe
def bookmarks(request):
    page = paginate(request, bookmarked_by(request.user))
    return render(request, "tickets/bookmark_list.html", {"page": page, "rows": [as_row(ticket) for ticket in page]})


@require_POST
def upvote(request, pk):
    ticket = get_object_or_404(Ticket.objects.readable_by(request.user).with_people(), pk=pk)
    if request.POST.get("on") == "no":
        ticket = actions.remove_upvote(ticket, by=request.user)
    else:
        ticket = actions.upvote_article(ticket, by=request.user, now=timezone.now())
    return marks_answer(request, ticket)


@require_POST
def bookmark(request, pk):
    ticket = get_object_or_404(Ticket.objects.readable_by(request.user).with_people(), pk=pk)
    if request.POST.get("on") == "no":
        ticket = actions.remove_bookmark(ticket, by=request.user)
    else:
        ticket = actions.bookmark_article(ticket, by=request.user, now=timezone.now())
    return marks_answer(request, ticket)


def marks_answer(request, ticket):
    if request.htmx:
        return render(request, "tickets/_marks.html", {"ticket": ticket, **asdict(marks_of(ticket, request.user))})
    return back(request, ticket.get_article_url())


# --- The list's words -------------------------------------------------------------------------------------------------


def address(query, **changes):
    """The list's address with these filters changed, on its first page; [] takes a filter away."""
    changed = QueryDict(mutable=True)
    for name in KnowledgeFilters.base_fields:
        changed.setlist(name, [value for value in changes.get(name, query.getlist(name)) if value])
    return f"?{changed.urlencode()}"


def chips(filters, query):
    """The chosen tags, each with the address of the list without it."""
    names = [tag.name for tag in filters.tags] + filters.unknown_tags
    return [(name, address(query, tag=[other for other in names if other != name])) for name in names]


def sentence(filters, count, found):
    """What the list is, as one sentence: 12 answers for “slow query” with **python**, newest first."""
    if filters.unknown_tags:
        return format_html(_("Nobody here knows the tag {tag} yet."), tag=strong(filters.unknown_tags[0]))
    shown = f"{count:,}" if found.is_empty else found.total_label
    words = format_html(ngettext("{count} answer", "{count} answers", count), count=shown)
    if not found.is_empty:
        text = found.suggestion if found.is_corrected else found.text
        words = format_html(_("{answers} for “{text}”"), answers=words, text=text)
    if filters.tags:
        names = format_html_join(", ", "{}", ([strong(tag)] for tag in filters.tags))
        words = format_html(_("{answers} with {tags}"), answers=words, tags=names)
    if count < 2:
        return words
    order = {"relevance": _("best match first"), "newest": _("newest first"), "helpful": _("most helpful first")}
    return format_html(_("{answers}, {order}"), answers=words, order=order[filters.sort])


def strong(text):
    return format_html("<strong>{}</strong>", text)
