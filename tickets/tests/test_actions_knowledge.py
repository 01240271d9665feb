import datetime as dt

import pytest
from django.contrib.auth.models import AnonymousUser

from mentorbook.errors import NotAllowed
from notifications.models import Notification
from tickets.actions import (
    NotAnArticle,
    OwnWork,
    ReasonMissing,
    TextTooLong,
    bookmark_article,
    hide_article,
    remove_bookmark,
    remove_upvote,
    reopen_ticket,
    resolve_ticket,
    set_public,
    show_article,
    upvote_article,
)
from tickets.models import Bookmark, Ticket, Upvote
from tickets.tests.factories import TicketFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)


@pytest.fixture
def article(ann, mentor):
    return TicketFactory(student=ann, mentor=mentor, resolved=True)


def votes(article):
    article.refresh_from_db()
    assert article.upvote_count == article.upvotes.count()
    return article.upvote_count


# --- Upvotes and bookmarks


def test_an_upvote_counts_once_a_person(article, sam, ada):
    for _twice in range(2):
        assert upvote_article(article, by=sam, now=NOW).upvote_count == 1
    assert upvote_article(article, by=ada, now=NOW).upvote_count == 2
    assert votes(article) == 2
    assert Upvote.objects.get(user=sam).created_at == NOW
    assert not Notification.objects.exists()
    assert not article.events.exists()


def test_an_upvote_taken_back_never_goes_below_zero(article, sam, ada):
    upvote_article(article, by=sam, now=NOW)
    assert remove_upvote(article, by=ada).upvote_count == 1
    for _twice in range(2):
        assert remove_upvote(article, by=sam).upvote_count == 0
    assert votes(article) == 0
    upvote_article(article, by=sam, now=NOW)
    assert votes(article) == 1


def test_a_bookmark_is_kept_once_and_forgotten(article, sam):
    for _twice in range(2):
        bookmark_article(article, by=sam, now=NOW)
    assert Bookmark.objects.get().created_at == NOW
    for _twice in range(2):
        remove_bookmark(article, by=sam)
    assert not Bookmark.objects.exists()


def test_nobody_upvotes_or_bookmarks_their_own_work(article, ann, max):
    for person in (ann, max):
        for act in (upvote_article, bookmark_article):
            with pytest.raises(OwnWork) as refused:
                act(article, by=person, now=NOW)
            assert refused.value.status == 403
    assert votes(article) == 0


@pytest.mark.parametrize("state", ["private", "hidden", "open", "assigned"])
def test_only_articles_are_upvoted_and_bookmarked(sam, ada, state):
    article = {
        "private": lambda: TicketFactory(closed=True, is_public=False),
        "hidden": lambda: TicketFactory(closed=True, hidden_at=NOW, hidden_by=ada),
        "open": lambda: TicketFactory(),
        "assigned": lambda: TicketFactory(assigned=True),
    }[state]()
    for act in (upvote_article, bookmark_article):
        with pytest.raises(NotAnArticle):
            act(article, by=sam, now=NOW)
    assert votes(article) == 0


def test_what_is_no_article_any_more_can_still_be_taken_back_and_kept_when_it_returns(article, ann, max, sam, ada):
    for person in (sam, ada):
        upvote_article(article, by=person, now=NOW)
        bookmark_article(article, by=person, now=NOW)
    reopen_ticket(article, by=ann, reason="No", now=NOW)
    assert votes(article) == 2
    remove_upvote(article, by=sam)
    remove_bookmark(article, by=sam)
    resolve_ticket(article, by=max, text="Now", now=NOW)
    assert votes(article) == 1
    assert Bookmark.objects.get().user == ada


def test_a_visitor_does_nothing_with_an_article(article):
    for act in (upvote_article, bookmark_article):
        with pytest.raises(NotAllowed):
            act(article, by=AnonymousUser(), now=NOW)
    for act in (remove_upvote, remove_bookmark):
        with pytest.raises(NotAllowed):
            act(article, by=AnonymousUser())


# --- Staff


def test_staff_hide_an_article_and_show_it_again(article, ann, max, sam, ada):
    for _twice in range(2):
        hide_article(article, by=ada, reason=" Wrong\0 ", now=NOW)
    article.refresh_from_db()
    assert (article.hidden_at, article.hidden_by, article.hidden_reason) == (NOW, ada, "Wrong")
    assert not Ticket.objects.readable_by(sam).exists()
    assert Ticket.objects.visible_to(ann).get() == Ticket.objects.visible_to(max).get() == article

    for _twice in range(2):
        show_article(article, by=ada, now=NOW)
    article.refresh_from_db()
    assert (article.hidden_at, article.hidden_by, article.hidden_reason) == (None, None, "")
    assert Ticket.objects.readable_by(sam).get() == article
    assert [(event.kind, event.reason, event.actor) for event in article.events.all()] == [
        ("hidden", "Wrong", ada),
        ("shown", "", ada),
    ]


def test_hiding_needs_a_reason_that_fits(article, ada):
    with pytest.raises(ReasonMissing):
        hide_article(article, by=ada, reason=" ", now=NOW)
    with pytest.raises(TextTooLong):
        hide_article(article, by=ada, reason="x" * 201, now=NOW)
    hide_article(article, by=ada, reason="x" * 200, now=NOW)


def test_a_hidden_article_stays_hidden_through_reopening_and_publishing(article, ann, max, ada, sam):
    hide_article(article, by=ada, reason="Wrong", now=NOW)
    reopen_ticket(article, by=ann, reason="No", now=NOW)
    resolve_ticket(article, by=max, text="Now", now=NOW)
    for wish in (False, True):
        set_public(article, by=ann, is_public=wish, now=NOW)
    assert not Ticket.objects.readable_by(sam).exists()
