"""Many threads at once on the same tickets. Each kind of race is run a second time against a version that is broken on
purpose, to prove that the check would notice."""

import datetime as dt
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.tests.factories import UserFactory
from mentorbook.errors import Refused
from mentorbook.locks import Busy
from mentors.models import ProvenSkill
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Kind as Told
from notifications.models import Notification
from tickets.actions import (
    AlreadyTaken,
    AtCapacity,
    NoLongerYours,
    SameMentor,
    TooManyOpen,
    accept_ticket,
    close_ticket,
    create_ticket,
    delete_ticket,
    edit_ticket,
    history,
    reassign_ticket,
    release_silent_tickets,
    release_ticket,
    remove_upvote,
    reopen_ticket,
    reply_to_ticket,
    resolve_ticket,
    upvote_article,
)
from tickets.models import Reply, Ticket, TicketEvent, Upvote
from tickets.tests.factories import TicketFactory

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]

Status = Ticket.Status
Kind = TicketEvent.Kind
NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)
# A careless version looks, thinks this long, and then writes.
A_MOMENT = 0.05


# --- Doing things at once ---------------------------------------------------------------------------------------------


def at_once(calls):
    """Run `calls` each in a thread and on a connection of its own, started together; what they returned or raised."""
    barrier = threading.Barrier(len(calls))

    def run(call):
        try:
            connection.ensure_connection()
            barrier.wait(timeout=60)
            return call()
        except (Refused, DatabaseError) as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def won(answers):
    return [answer for answer in answers if not isinstance(answer, Exception)]


def unexpected(answers, *refusals):
    """What went wrong in another way than by these refusals. To be Busy is none that anybody should hear here."""
    return [repr(answer) for answer in answers if isinstance(answer, Exception) and not isinstance(answer, refusals)]


# --- What must never be -----------------------------------------------------------------------------------------------

PATHS = {
    Kind.CREATED: {("", "open")},
    Kind.EDITED: {("open", "open")},
    Kind.DELETED: {("open", "deleted")},
    Kind.ACCEPTED: {("open", "assigned")},
    Kind.RELEASED: {("assigned", "open")},
    Kind.RELEASED_SILENT: {("assigned", "open")},
    Kind.REASSIGNED: {("open", "assigned"), ("assigned", "assigned")},
    Kind.RESOLVED: {("assigned", "resolved")},
    Kind.REOPENED: {("resolved", "assigned")},
    Kind.CLOSED: {("resolved", "closed")},
    Kind.CLOSED_BY_ITSELF: {("resolved", "closed")},
}


def broken_histories():
    """Tickets whose history is no path of the table, or that are not as their history says."""
    faults = []
    for ticket in Ticket.objects.prefetch_related("events"):
        state, mentor = "", None
        for event in ticket.events.all():
            if event.from_status != state or (event.from_status, event.to_status) not in PATHS[event.kind]:
                faults.append(f"{ticket.pk}: {event.kind} {event.from_status} → {event.to_status} after {state}")
            state = event.to_status
            if event.kind in (Kind.ACCEPTED, Kind.REASSIGNED):
                mentor = event.mentor_id
            if state in ("open", "deleted"):
                mentor = None
        if (state, mentor) != (ticket.status, ticket.mentor_id):
            faults.append(f"{ticket.pk} is {ticket.status} of {ticket.mentor_id}, its history says {state} of {mentor}")
    return faults


def wrong_figures():
    """Mentors whose figures are not what counting says."""
    faults = []
    for mentor in {ticket.mentor for ticket in Ticket.objects.exclude(mentor=None).select_related("mentor")}:
        solved = Ticket.objects.for_mentor(mentor).filter(status__in=Ticket.SOLVED).count()
        answered = Ticket.objects.for_mentor(mentor).exclude(first_response_at=None).count()
        if (mentor.tickets_solved, mentor.tickets_answered) != (solved, answered):
            faults.append(
                f"{mentor.tickets_solved} solved and {mentor.tickets_answered} answered are noted,"
                f" {solved} and {answered} are there"
            )
        weight = sum(ProvenSkill.objects.filter(mentor=mentor, tag__name="python").values_list("weight", flat=True))
        if abs(weight - solved) > 0.001:
            faults.append(f"{weight} are proven by {solved} solved")
    return faults


def in_history(ticket, kind, by, mentor=None, from_status=""):
    history.record(ticket, kind, from_status=from_status, by=by, mentor=mentor, now=NOW)
    return ticket


def open_ticket(**fields):
    ticket = TicketFactory(created_at=NOW - 5 * DAY, **fields)
    return in_history(ticket, Kind.CREATED, ticket.student)


def taken_ticket(mentor, **fields):
    """Taken three days ago, and silence since."""
    ticket = open_ticket(**fields)
    return accept_ticket(ticket, by=mentor.user, now=NOW - 3 * DAY)


# --- Broken on purpose ------------------------------------------------------------------------------------------------


def careless_accept(ticket, *, by, now):
    """accept_ticket as it must not be: it looks and then takes."""
    profile = by.mentor_profile
    if Ticket.objects.get(pk=ticket.pk).status != Status.OPEN:
        raise AlreadyTaken(profile)
    if Ticket.objects.for_mentor(profile).assigned().count() >= profile.tickets_at_once:
        raise AtCapacity(profile.tickets_at_once)
    time.sleep(A_MOMENT)
    Ticket.objects.filter(pk=ticket.pk).update(status=Status.ASSIGNED, mentor=profile, assigned_at=now)
    ticket = Ticket.objects.get(pk=ticket.pk)
    return in_history(ticket, Kind.ACCEPTED, by, profile, from_status=Status.OPEN)


def careless_step(kind, from_status, to_status, **changes):
    """A step as it must not be: the state is read, then written."""

    def step(ticket):
        if ticket.status != from_status:
            return
        time.sleep(A_MOMENT)
        solution = Reply.objects.filter(ticket=ticket).first() if to_status in Ticket.SOLVED else None
        with transaction.atomic():
            history.move(
                ticket, kind, by=None, now=NOW, status=to_status, solution=solution, resolved_at=NOW, **changes
            )

    return step


# --- One ticket, many mentors -----------------------------------------------------------------------------------------

MENTORS = 50


def race_for_one_ticket(accept):
    ticket = open_ticket()
    mentors = [MentorProfileFactory() for _ in range(MENTORS)]
    answers = at_once([lambda mentor=mentor: accept(ticket, by=mentor.user, now=NOW) for mentor in mentors])
    faults = broken_histories() + unexpected(answers, AlreadyTaken)
    if (winners := len(won(answers))) != 1:
        faults.append(f"{winners} mentors have it")
    ticket.refresh_from_db()
    named = Counter(answer.mentor.pk for answer in answers if isinstance(answer, AlreadyTaken))
    if named != {ticket.mentor_id: MENTORS - 1}:
        faults.append(f"the others were told {named}")
    if (told := Notification.objects.filter(kind=Told.TICKET_ACCEPTED).count()) != 1:
        faults.append(f"the student was told {told} times")
    return faults


def test_of_fifty_mentors_who_take_one_ticket_one_gets_it():
    assert race_for_one_ticket(accept_ticket) == []


def test_the_race_for_one_ticket_notices_a_look_before_the_write():
    faults = race_for_one_ticket(careless_accept)
    assert any("mentors have it" in fault for fault in faults)
    assert any("→" in fault for fault in faults)


# --- One mentor, many tickets -----------------------------------------------------------------------------------------


def race_for_many_tickets(accept):
    """A mentor who takes 4 at once clicks on 10."""
    mentor = MentorProfileFactory(tickets_at_once=4)
    tickets = [open_ticket() for _ in range(10)]
    answers = at_once([lambda ticket=ticket: accept(ticket, by=mentor.user, now=NOW) for ticket in tickets])
    faults = broken_histories() + unexpected(answers, AtCapacity)
    if (count := Ticket.objects.for_mentor(mentor).assigned().count()) != 4:
        faults.append(f"{count} tickets in work of 4")
    return faults


def test_a_mentor_who_takes_four_at_once_gets_four_of_ten():
    assert race_for_many_tickets(accept_ticket) == []


def test_the_race_for_many_tickets_notices_a_missing_lock():
    assert any("tickets in work of 4" in fault for fault in race_for_many_tickets(careless_accept))


# --- Silence, a word and a release at once ----------------------------------------------------------------------------


def race_after_silence(release_silent, rounds):
    """The job, the mentor's first word and the mentor's release in the moment in which the three days are over."""
    faults, ends = [], Counter()
    for _round in range(rounds):
        mentor = MentorProfileFactory()
        ticket = taken_ticket(mentor)
        answers = at_once(
            [
                lambda: release_silent(now=NOW),
                lambda ticket=ticket, by=mentor.user: reply_to_ticket(ticket, by=by, text="Here", now=NOW),
                lambda ticket=ticket, by=mentor.user: release_ticket(ticket, by=by, now=NOW),
                lambda: release_silent(now=NOW),
            ]
        )
        faults += unexpected(answers, NoLongerYours)
        releases = [event.kind for event in ticket.events.all() if event.to_status == Status.OPEN][1:]
        if len(releases) != 1:
            faults.append(f"released {len(releases)} times")
        if Kind.RELEASED_SILENT in releases and ticket.replies.exists():
            faults.append("released for silence after a word")
        if (told := Notification.objects.filter(kind=Told.TICKET_RELEASED, recipient=ticket.student).count()) != 1:
            faults.append(f"the student was told {told} times")
        ends[releases[0], ticket.replies.exists()] += 1
    return faults + broken_histories(), ends


def test_a_word_at_the_last_moment_counts_or_comes_too_late_but_never_both():
    faults, ends = race_after_silence(release_silent_tickets, rounds=20)
    assert faults == []
    assert len(ends) >= 2, f"too little happened: {ends}"


def test_the_race_after_silence_notices_a_job_that_does_not_look_again():
    def careless_job(*, now):
        for ticket in Ticket.objects.silent_since(now - 3 * DAY):
            careless_step(Kind.RELEASED_SILENT, Status.ASSIGNED, Status.OPEN, mentor=None)(ticket)

    faults, _ends = race_after_silence(careless_job, rounds=3)
    assert any("released 2 times" in fault or "after a word" in fault or "→" in fault for fault in faults)


def test_two_jobs_at_once_release_each_ticket_once():
    tickets = [taken_ticket(MentorProfileFactory()) for _ in range(6)]
    answers = at_once([lambda: release_silent_tickets(now=NOW)] * 4)
    assert sum(answers) == 6
    assert broken_histories() == []
    assert TicketEvent.objects.filter(kind=Kind.RELEASED_SILENT).count() == 6
    assert Notification.objects.filter(kind=Told.TICKET_RELEASED).count() == 2 * len(tickets)


# --- One ticket, many endings -----------------------------------------------------------------------------------------


def race_for_the_end(steps, rounds):
    """In each round one ticket, in work or solved, and everybody acts on it at once."""
    mentor = MentorProfileFactory(tickets_at_once=50)
    tickets = []
    for number in range(rounds):
        ticket = taken_ticket(mentor)
        if number % 2:
            resolve_ticket(ticket, by=mentor.user, text="Try this", now=NOW)
        tickets.append(ticket)
    barrier = threading.Barrier(len(steps))

    def act(step):
        def through_all():
            errors = []
            for ticket in tickets:
                barrier.wait(timeout=60)
                try:
                    step(Ticket.objects.with_people().get(pk=ticket.pk))
                except Busy as busy:
                    errors.append(repr(busy))
                except Refused:
                    pass
                except DatabaseError as error:
                    errors.append(repr(error))
            return errors

        return through_all

    answers = at_once([act(step) for step in steps])
    faults = broken_histories() + wrong_figures() + [error for errors in answers for error in errors]
    return faults, Counter(TicketEvent.objects.values_list("kind", flat=True))


STEPS_AT_ONCE = [
    lambda it: resolve_ticket(it, by=it.mentor.user, text="Then this", now=NOW),
    lambda it: resolve_ticket(it, by=it.mentor.user, text="Or this", now=NOW),
    lambda it: reopen_ticket(it, by=it.student, reason="No", now=NOW),
    lambda it: reopen_ticket(it, by=it.student, reason="Still no", now=NOW),
    lambda it: close_ticket(it, by=it.student, now=NOW),
    lambda it: reply_to_ticket(it, by=it.student, text="Hm", now=NOW),
]


def test_solved_reopened_and_closed_at_once_every_history_is_a_path():
    faults, happened = race_for_the_end(STEPS_AT_ONCE, rounds=20)
    assert faults == []
    assert happened[Kind.CLOSED] >= 2, f"too little happened: {happened}"
    assert happened[Kind.REOPENED] >= 2, f"too little happened: {happened}"
    assert Ticket.objects.filter(status=Status.CLOSED).count() == happened[Kind.CLOSED]


def test_the_race_for_the_end_notices_a_state_that_is_read_then_written():
    steps = [
        careless_step(Kind.CLOSED, Status.RESOLVED, Status.CLOSED),
        careless_step(Kind.CLOSED, Status.RESOLVED, Status.CLOSED),
        careless_step(Kind.REOPENED, Status.RESOLVED, Status.ASSIGNED),
    ]
    faults = []
    for _again in range(20):  # who comes first is chance
        faults += race_for_the_end(steps, rounds=6)[0]
        if any("→" in fault for fault in faults) and any("are proven by" in fault for fault in faults):
            return
    raise AssertionError(faults)


# --- Handed over by many ----------------------------------------------------------------------------------------------


def test_a_ticket_handed_over_by_many_at_once_ends_with_the_last(ada):
    """It changes hands while others wait for the mentor it had, and two tickets cross each other's way."""
    mentors = [MentorProfileFactory() for _ in range(4)]
    tickets = [taken_ticket(mentor) for mentor in mentors[:2]]
    answers = at_once(
        [
            lambda ticket=ticket, to=to: reassign_ticket(ticket, to=to, by=ada, reason="Better there", now=NOW)
            for ticket in tickets
            for to in mentors
        ]
        + [
            lambda ticket=ticket: reply_to_ticket(ticket, by=ticket.mentor.user, text="Here", now=NOW)
            for ticket in tickets
        ]
    )
    assert unexpected(answers, SameMentor, NoLongerYours) == []
    assert broken_histories() == []
    assert wrong_figures() == []
    assert TicketEvent.objects.filter(kind=Kind.REASSIGNED).count() >= 6


# --- Asking -----------------------------------------------------------------------------------------------------------


def ask(student, **words):
    return create_ticket(student, title="Why", description="Because", tags=["python"], now=NOW, **words)


def careless_ask(student):
    """create_ticket as it must not be: it counts, and then asks."""
    if Ticket.objects.of_student(student).open().count() >= 4:
        raise TooManyOpen(4)
    time.sleep(A_MOMENT)
    return open_ticket(student=student)


def race_for_the_limit(ask):
    ann = UserFactory()
    answers = at_once([lambda: ask(ann)] * 10)
    faults = broken_histories() + unexpected(answers, TooManyOpen)
    if (count := Ticket.objects.of_student(ann).open().count()) != 4:
        faults.append(f"{count} open of 4")
    return faults


def test_of_ten_questions_at_once_four_wait():
    assert race_for_the_limit(ask) == []


def test_the_race_for_the_limit_notices_a_missing_lock():
    assert any("open of 4" in fault for fault in race_for_the_limit(careless_ask))


def test_one_key_asks_once_and_one_key_replies_once():
    ann, mentor = UserFactory(), MentorProfileFactory()
    asked = at_once([lambda: ask(ann, idempotency_key="k")] * 20)
    assert {ticket.pk for ticket in asked} == {Ticket.objects.get().pk}
    ticket = accept_ticket(asked[0], by=mentor.user, now=NOW)

    replies = at_once([lambda: reply_to_ticket(ticket, by=ann, text="Here", client_key="k", now=NOW)] * 20)
    assert {reply.pk for reply in replies} == {Reply.objects.get().pk}
    assert Notification.objects.filter(kind=Told.TICKET_REPLY).count() == 1

    solved = at_once([lambda: resolve_ticket(ticket, by=mentor.user, text="So", client_key="s", now=NOW)] * 20)
    assert {ticket.status for ticket in solved} == {"resolved"}
    assert Reply.objects.count() == 2
    assert broken_histories() == []
    assert wrong_figures() == []


def test_edited_deleted_and_taken_at_once_one_of_the_three_wins():
    faults, ends = [], Counter()
    for _round in range(15):
        ticket, mentor = open_ticket(), MentorProfileFactory()
        answers = at_once(
            [
                lambda t=ticket, by=mentor.user: accept_ticket(t, by=by, now=NOW),
                lambda t=ticket: delete_ticket(t, by=t.student, now=NOW),
                lambda t=ticket: edit_ticket(
                    t, by=t.student, title="New", description="New", tags=["new"], is_public=True, now=NOW
                ),
            ]
        )
        faults += [repr(answer) for answer in answers if isinstance(answer, (Busy, DatabaseError))]
        ticket.refresh_from_db()
        if ticket.status == Status.DELETED and (ticket.title or ticket.tags.exists()):
            faults.append("a deleted ticket still says something")
        ends[ticket.status] += 1
    assert faults + broken_histories() == []
    assert set(ends) <= {"assigned", "deleted"}


# --- Upvotes ----------------------------------------------------------------------------------------------------------


def careless_upvote(ticket, *, by, now):
    """upvote_article as it must not be: the count is read, then written."""
    ticket = Ticket.objects.get(pk=ticket.pk)
    Upvote.objects.get_or_create(ticket=ticket, user=by)
    time.sleep(A_MOMENT)
    ticket.upvote_count += 1
    ticket.save(update_fields=["upvote_count"])


def race_for_upvotes(upvote):
    """20 people find an article helpful at once, and one of another 20 times."""
    faults = []
    for people, expected in (([UserFactory() for _ in range(20)], 20), ([UserFactory()] * 20, 1)):
        article = TicketFactory(closed=True)
        answers = at_once([lambda by=by, it=article: upvote(it, by=by, now=NOW) for by in people])
        faults += unexpected(answers)
        article.refresh_from_db()
        if (article.upvote_count, article.upvotes.count()) != (expected, expected):
            faults.append(f"{article.upvote_count} counted, {article.upvotes.count()} there, {expected} expected")
    return faults


def test_every_upvote_counts_once():
    assert race_for_upvotes(upvote_article) == []


def test_the_race_for_upvotes_notices_a_count_that_is_read_then_written():
    assert any("counted" in fault for fault in race_for_upvotes(careless_upvote))


def test_upvotes_given_and_taken_back_at_once_never_count_below_zero():
    article = TicketFactory(closed=True)
    people = [UserFactory() for _ in range(5)]
    answers = at_once(
        [lambda by=by: upvote_article(article, by=by, now=NOW) for by in people * 2]
        + [lambda by=by: remove_upvote(article, by=by) for by in people * 2]
    )
    assert unexpected(answers) == []
    article.refresh_from_db()
    assert article.upvote_count == article.upvotes.count()


# --- Figures ----------------------------------------------------------------------------------------------------------


def race_for_figures():
    """A mentor solves 8 tickets at once; the faults of the figures afterwards."""
    mentor = MentorProfileFactory(tickets_at_once=50)
    tickets = [taken_ticket(mentor) for _ in range(8)]
    answers = at_once([lambda it=it: resolve_ticket(it, by=mentor.user, text="So", now=NOW) for it in tickets])
    return unexpected(answers) + wrong_figures() + broken_histories()


def test_eight_solutions_at_once_count_eight():
    assert race_for_figures() == []
