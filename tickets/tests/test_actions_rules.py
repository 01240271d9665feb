"""Who may take which step in which state: one table, tried for everybody."""

import datetime as dt

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.db import connection, transaction

from mentorbook.errors import Refused
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Notification, OutgoingEmail
from tickets.actions import (
    OwnTicket,
    accept_ticket,
    add_note,
    bookmark_article,
    close_ticket,
    delete_ticket,
    edit_reply,
    edit_ticket,
    hide_article,
    mark_useful,
    reassign_ticket,
    release_ticket,
    reopen_ticket,
    reply_to_ticket,
    resolve_ticket,
    set_public,
    show_article,
    upvote_article,
)
from tickets.models import Ticket, TicketEvent
from tickets.tests.factories import ReplyFactory, TicketEventFactory, TicketFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
STATES = ["open", "assigned", "resolved", "closed", "deleted"]

# `mentor` has the ticket (as long as it is neither open nor deleted: then Max is a mentor like any other), `former` had
# it once, `waiting` is a mentor without approval. What a row says in a state is the code of the refusal, or yes,
# or nothing where the step is taken and nothing changes.
# Whoever has no row for a step is not_allowed in every state.
TABLE = """
step       who      open                assigned            resolved            closed              deleted

edit       student  yes                 ticket_not_open     ticket_not_open     ticket_not_open     ticket_deleted
delete     student  yes                 ticket_not_open     ticket_not_open     ticket_not_open     ticket_deleted
publish    student  yes                 yes                 yes                 yes                 ticket_deleted

accept     mentor   yes                 nothing             ticket_not_open     ticket_not_open     ticket_deleted
accept     other    yes                 ticket_not_open     ticket_not_open     ticket_not_open     ticket_deleted
accept     former   yes                 ticket_not_open     ticket_not_open     ticket_not_open     ticket_deleted
release    mentor   not_allowed         yes                 ticket_not_assigned ticket_not_assigned not_allowed
release    former   no_longer_yours     no_longer_yours     no_longer_yours     no_longer_yours     not_allowed
reassign   staff    yes                 yes                 ticket_not_assigned ticket_not_assigned ticket_deleted

reply      student  yes                 yes                 yes                 ticket_closed       ticket_deleted
reply      mentor   not_allowed         yes                 yes                 ticket_closed       not_allowed
reply      former   no_longer_yours     no_longer_yours     no_longer_yours     no_longer_yours     not_allowed
reply      staff    yes                 yes                 yes                 yes                 ticket_deleted
correct    student  yes                 yes                 yes                 ticket_closed       ticket_deleted
note       staff    yes                 yes                 yes                 yes                 ticket_deleted
useful     student  yes                 yes                 yes                 yes                 ticket_deleted
useful     mentor   not_allowed         yes                 yes                 yes                 not_allowed
useful     staff    yes                 yes                 yes                 yes                 ticket_deleted

resolve    mentor   not_allowed         yes                 ticket_not_assigned ticket_not_assigned not_allowed
resolve    former   no_longer_yours     no_longer_yours     no_longer_yours     no_longer_yours     not_allowed
reopen     student  ticket_not_resolved ticket_not_resolved yes                 ticket_not_resolved ticket_deleted
close      student  ticket_not_resolved ticket_not_resolved yes                 ticket_not_resolved ticket_deleted

upvote     student  not_an_article      not_an_article      own_work            own_work            not_an_article
upvote     mentor   not_an_article      not_an_article      own_work            own_work            not_an_article
upvote     former   not_an_article      not_an_article      yes                 yes                 not_an_article
upvote     other    not_an_article      not_an_article      yes                 yes                 not_an_article
upvote     waiting  not_an_article      not_an_article      yes                 yes                 not_an_article
upvote     stranger not_an_article      not_an_article      yes                 yes                 not_an_article
upvote     staff    not_an_article      not_an_article      yes                 yes                 not_an_article
bookmark   student  not_an_article      not_an_article      own_work            own_work            not_an_article
bookmark   mentor   not_an_article      not_an_article      own_work            own_work            not_an_article
bookmark   former   not_an_article      not_an_article      yes                 yes                 not_an_article
bookmark   other    not_an_article      not_an_article      yes                 yes                 not_an_article
bookmark   waiting  not_an_article      not_an_article      yes                 yes                 not_an_article
bookmark   stranger not_an_article      not_an_article      yes                 yes                 not_an_article
bookmark   staff    not_an_article      not_an_article      yes                 yes                 not_an_article
hide       staff    not_an_article      not_an_article      yes                 yes                 not_an_article
show       staff    yes                 yes                 yes                 yes                 ticket_deleted
"""

TEXTS = {"title": "Why", "description": "Because", "tags": ["python"], "is_public": True}

STEPS = {
    "edit": lambda ticket, by, scene: edit_ticket(ticket, by=by, **TEXTS, now=NOW),
    "delete": lambda ticket, by, scene: delete_ticket(ticket, by=by, now=NOW),
    "publish": lambda ticket, by, scene: set_public(ticket, by=by, is_public=False, now=NOW),
    "accept": lambda ticket, by, scene: accept_ticket(ticket, by=by, now=NOW),
    "release": lambda ticket, by, scene: release_ticket(ticket, by=by, reason="Away", now=NOW),
    "reassign": lambda ticket, by, scene: reassign_ticket(ticket, to=scene.third, by=by, reason="Away", now=NOW),
    "reply": lambda ticket, by, scene: reply_to_ticket(ticket, by=by, text="Look", now=NOW),
    "correct": lambda ticket, by, scene: edit_reply(scene.reply, by=by, text="Better", now=NOW),
    "note": lambda ticket, by, scene: add_note(ticket, by=by, text="Watch this", now=NOW),
    "useful": lambda ticket, by, scene: mark_useful(scene.reply, by=by, is_useful=True, now=NOW),
    "resolve": lambda ticket, by, scene: resolve_ticket(ticket, by=by, text="Do this", now=NOW),
    "reopen": lambda ticket, by, scene: reopen_ticket(ticket, by=by, reason="No", now=NOW),
    "close": lambda ticket, by, scene: close_ticket(ticket, by=by, now=NOW),
    "upvote": lambda ticket, by, scene: upvote_article(ticket, by=by, now=NOW),
    "bookmark": lambda ticket, by, scene: bookmark_article(ticket, by=by, now=NOW),
    "hide": lambda ticket, by, scene: hide_article(ticket, by=by, reason="Wrong", now=NOW),
    "show": lambda ticket, by, scene: show_article(ticket, by=by, now=NOW),
}


def rules():
    """(step, state) → who → yes, or the code of the refusal."""
    _heading, *rows = [line.split() for line in TABLE.strip().splitlines() if line]
    found = {(step, state): {} for step in STEPS for state in STATES}
    for step, who, *answers in rows:
        for state, answer in zip(STATES, answers, strict=True):
            found[step, state][who] = answer
    return found


RULES = rules()


class Scene:
    """A ticket of Ann's in one state, with a word of hers in it, and everybody there is."""

    def __init__(self, step, state, ann, mentor, sam, ada):
        former, self.third = MentorProfileFactory(), MentorProfileFactory()
        self.people = {
            "visitor": AnonymousUser(),
            "student": ann,
            "mentor": mentor.user,
            "former": former.user,
            "other": MentorProfileFactory().user,
            "waiting": MentorProfileFactory(approval="waiting").user,
            "stranger": sam,
            "staff": ada,
        }
        has_mentor = state in Ticket.HELD
        hidden = {"hidden_at": NOW, "hidden_by": ada, "hidden_reason": "Wrong"} if step == "show" else {}
        self.ticket = TicketFactory(
            student=ann,
            **({"mentor": mentor} if has_mentor else {}),
            **({} if state == "open" else {state: True}),
            **hidden,
        )
        TicketEventFactory(ticket=self.ticket, kind=TicketEvent.Kind.ACCEPTED, actor=former.user, mentor=former)
        self.reply = ReplyFactory(ticket=self.ticket, author=ann, created_at=NOW)


def everything():
    """Every row that an action on tickets could change."""
    models = [
        *apps.get_app_config("tickets").get_models(include_auto_created=True),
        *apps.get_app_config("mentors").get_models(include_auto_created=True),
        Notification,
        OutgoingEmail,
    ]
    rows = {model._meta.label: sorted(map(repr, model.objects.values_list())) for model in models}
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM tickets_search")
        rows["search"] = cursor.fetchall()
    return rows


class Undone(Exception):
    pass


def answer_to(step, scene, by, before):
    """What `by` gets for trying, with everything put back afterwards."""
    try:
        with transaction.atomic():
            STEPS[step](Ticket.objects.get(pk=scene.ticket.pk), by, scene)
            has_changed = everything() != before
            raise Undone
    except Undone:
        return "yes" if has_changed else "nothing"
    except Refused as refusal:
        return refusal.code


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("step", STEPS)
def test_a_step_is_for_those_whom_the_table_names(step, state, ann, mentor, sam, ada):
    scene = Scene(step, state, ann, mentor, sam, ada)
    expected = {who: RULES[step, state].get(who, "not_allowed") for who in scene.people}
    before = everything()
    found = {who: answer_to(step, scene, by, before) for who, by in scene.people.items()}
    assert found == expected


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("step", STEPS)
def test_a_refused_step_changes_nothing_and_tells_nobody(step, state, ann, mentor, sam, ada):
    scene = Scene(step, state, ann, mentor, sam, ada)
    before = everything()
    for who, by in scene.people.items():
        if RULES[step, state].get(who) not in ("yes", "nothing"):
            with pytest.raises(Refused):
                STEPS[step](scene.ticket, by, scene)
    assert everything() == before


@pytest.mark.parametrize("state", STATES)
def test_nobody_takes_their_own_ticket(state, mentor, max):
    ticket = TicketFactory(student=max, **({} if state == "open" else {state: True}))
    with pytest.raises(OwnTicket):
        accept_ticket(ticket, by=max, now=NOW)


@pytest.mark.parametrize("who", ["student", "mentor", "other", "staff"])
@pytest.mark.parametrize("state", STATES)
def test_a_page_offers_what_the_action_does(state, who, ann, mentor, sam, ada):
    """The predicates of the model, which pages ask, against the table."""
    scene = Scene("", state, ann, mentor, sam, ada)
    by = scene.people[who]
    offered = {
        "edit": scene.ticket.can_be_edited_by(by),
        "delete": scene.ticket.can_be_edited_by(by),
        "publish": scene.ticket.can_be_published_by(by),
        "accept": scene.ticket.can_be_accepted_by(by),
        "release": scene.ticket.can_be_released_by(by),
        "reply": scene.ticket.can_be_replied_to_by(by),
        "correct": scene.reply.can_be_edited_by(by, NOW),
        "resolve": scene.ticket.can_be_resolved_by(by),
        "reopen": scene.ticket.can_be_reopened_by(by),
        "close": scene.ticket.can_be_closed_by(by),
        "upvote": scene.ticket.can_be_voted_by(by),
        "bookmark": scene.ticket.can_be_voted_by(by),
    }
    assert offered == {step: RULES[step, state].get(who) == "yes" for step in offered}
