import datetime as dt
import itertools
from collections import Counter
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts.models import ProjectGroup, User
from bookings.models import Appointment, AppointmentSeries, Dispute, MoveProposal, WaitingListEntry
from feedback.models import Review
from mentorbook.demo.build import SCALES, DemoBuilder, Scale
from mentorbook.demo.questions import QUESTIONS
from mentorbook.management.commands.seed_demo import PASSWORD
from mentorbook.markdown import render
from mentors.models import MentorProfile
from notifications.models import OutgoingEmail
from tickets.actions import (
    close_solved_tickets,
    nudge_silent_mentors,
    refresh_figures,
    release_silent_tickets,
    warn_before_closing,
)
from tickets.models import Reply, Ticket
from tickets.search import search_tickets
from wallets.models import Transaction, Wallet

NOW = dt.datetime(2026, 11, 21, 15, 30, tzinfo=dt.UTC)
TINY = Scale(mentors=11, students=12, appointments=120, days_back=40, days_ahead=10)
Status = Appointment.Status


def build(seed=1, scale=TINY):
    DemoBuilder(scale, seed=seed, now=NOW, password=PASSWORD).build()


@pytest.fixture
def small(db):
    call_command("seed_demo", verbosity=0)


def test_small_has_a_classroom_with_sessions_in_every_state(small):
    assert MentorProfile.objects.count() == SCALES["small"].mentors
    assert set(Appointment.objects.values_list("status", flat=True)) >= {
        Status.REQUESTED,
        Status.CONFIRMED,
        Status.COMPLETED,
        Status.CANCELLED,
        Status.DECLINED,
        Status.EXPIRED,
        Status.NO_SHOW,
    }
    assert Review.objects.count() > 50


def test_the_ledger_of_the_demo_is_right(small, capsys):
    call_command("check_ledger")
    assert "right" in capsys.readouterr().out


def test_nothing_of_the_demo_happened_in_the_future(db):
    build()
    assert Appointment.objects.filter(created_at__gt=NOW).count() == 0
    assert Transaction.objects.filter(created_at__gt=NOW).count() == 0
    assert Review.objects.filter(created_at__gt=NOW).count() == 0
    assert Appointment.objects.filter(status=Status.REQUESTED, answer_by__lte=NOW).count() == 0
    assert Appointment.objects.filter(status=Status.REQUESTED, starts_at__lte=NOW).count() == 0


def test_the_cast_can_sign_in(small, client):
    for email in ("ann@example.org", "max@example.org", "ada@example.org"):
        assert client.login(email=email, password=PASSWORD)


def test_the_same_seed_gives_the_same_data(db):
    def picture():
        people = list(User.objects.order_by("email").values_list("email", "name", "timezone"))
        sessions = list(
            Appointment.objects.values_list("starts_at", "title", "status", "student__email").order_by("pk")
        )
        return people, sessions, list(Wallet.objects.order_by("pk").values_list("balance_points", flat=True))

    pictures = []
    for seed in (7, 7, 8):
        with pytest.raises(RollBack):
            _build_and_roll_back(seed, picture, pictures)
    assert pictures[0] == pictures[1]
    assert pictures[0] != pictures[2]


class RollBack(Exception):
    pass


def _build_and_roll_back(seed, picture, pictures):
    from django.db import transaction

    with transaction.atomic():
        build(seed)
        pictures.append(picture())
        raise RollBack


def test_a_second_time_changes_nothing(small, capsys):
    before = Transaction.objects.count(), User.objects.count()
    call_command("seed_demo")
    assert (Transaction.objects.count(), User.objects.count()) == before
    assert "here already" in capsys.readouterr().out


def test_a_database_with_people_is_left_alone(ann):
    User.objects.filter(pk=ann.pk).update(email="somebody@example.org")
    with pytest.raises(CommandError, match="empty"):
        call_command("seed_demo", verbosity=0)
    assert User.objects.count() == 1


def test_production_needs_a_password_of_its_own(db, settings):
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="--password"):
        call_command("seed_demo", verbosity=0)
    assert not User.objects.exists()


def test_small_has_150_tickets_in_every_state_with_code_in_them(small):
    tickets = Ticket.objects.all()
    assert tickets.count() == 150
    assert set(tickets.values_list("status", flat=True)) == set(Ticket.Status.values)
    there = Ticket.objects.there()
    titles = {title for question in QUESTIONS for title in question.titles}
    assert len(set(there.values_list("title", flat=True)) & titles) == there.count()
    assert all("`" in render_or_raw(ticket) for ticket in there.select_related("solution"))
    assert there.filter(hidden_at__isnull=False).count() == 1
    assert there.filter(is_public=False, status__in=Ticket.SOLVED).exists()
    assert Reply.objects.filter(kind=Reply.Kind.NOTE).exists()
    assert Review.objects.filter(ticket__isnull=False).count() > 30
    assert search_tickets(Ticket.objects.articles(), "dictionary keyerror").ids


def render_or_raw(ticket):
    assert str(render(ticket.description)).count("<script") == 0
    return ticket.description + (ticket.solution.text if ticket.solution else "")


def test_demo_tickets_keep_the_rules(small):
    now = timezone.now()
    for ticket in Ticket.objects.prefetch_related("events", "replies", "tags").select_related("mentor", "student"):
        events = list(ticket.events.all())
        assert [event.created_at for event in events] == sorted(event.created_at for event in events)
        assert events[0].kind == "created"
        assert events[-1].to_status == ticket.status
        assert all(a.to_status == b.from_status for a, b in itertools.pairwise(events))
        assert all(event.created_at <= now for event in events)
        assert ticket.tags.exists() == (ticket.status != Ticket.Status.DELETED)
        if ticket.status == Ticket.Status.ASSIGNED:
            last = list(ticket.replies.all())[-1]
            by_mentor = last.author_id == ticket.mentor.user_id
            assert ticket.waiting_on == (Ticket.Side.STUDENT if by_mentor else Ticket.Side.MENTOR)
            assert ticket.waiting_since == last.created_at
        elif ticket.status == Ticket.Status.RESOLVED:
            assert ticket.waiting_on == Ticket.Side.STUDENT
    for job in (release_silent_tickets, nudge_silent_mentors, warn_before_closing, close_solved_tickets):
        assert job(now=now, dry_run=True) == 0
    in_work = Counter(Ticket.objects.assigned().values_list("mentor", flat=True))
    assert max(in_work.values()) <= 4
    assert max(Counter(Ticket.objects.open().values_list("student", flat=True)).values()) <= 4


def test_demo_figures_are_those_that_the_actions_would_count(small):
    for mentor in MentorProfile.objects.filter(tickets_solved__gt=0):
        noted = mentor.tickets_solved, mentor.tickets_answered, mentor.first_response_minutes, mentor.solution_minutes
        refresh_figures(mentor)
        counted = mentor.tickets_solved, mentor.tickets_answered, mentor.first_response_minutes, mentor.solution_minutes
        assert noted == counted
        shown = Review.objects.filter(recipient=mentor.user_id, about="mentor", published_at__isnull=False)
        assert (mentor.rating_count, mentor.rating_sum) == (shown.count(), sum(r.rating for r in shown))
        assert mentor.proven_skills.exists()


def test_the_cast_has_tickets_to_look_at(small):
    ann, max_ = User.objects.get(email="ann@example.org"), User.objects.get(email="max@example.org")
    mine = Ticket.objects.of_student(ann)
    assert mine.open().count() == 1
    assert mine.filter(status="assigned", waiting_on="student").exists()
    assert mine.filter(status="resolved", mentor__user=max_).exists()
    assert mine.filter(status="closed").count() > 3
    awaited = set(Ticket.objects.for_mentor(max_.mentor_profile).assigned().values_list("waiting_on", flat=True))
    assert awaited == {"mentor", "student"}


def test_people_of_the_demo_do_things_together(small):
    group = ProjectGroup.objects.get()
    assert group.owner.email == "ann@example.org"
    assert group.memberships.count() == 3
    assert group.appointments.filter(payer=group.wallet).exists()
    assert group.tickets.exists()
    assert AppointmentSeries.objects.get().appointments.count() == 3
    assert MoveProposal.objects.open().exists()
    assert WaitingListEntry.objects.filter(student__email="ann@example.org").exists()
    assert Appointment.objects.exclude(ticket=None).exists()
    # Whether somebody disputes a session is chance; whoever does says why.
    assert Dispute.objects.count() == Appointment.objects.filter(status=Status.DISPUTED).count()
    assert not OutgoingEmail.objects.exclude(status=OutgoingEmail.Status.SENT).exists()


def test_more_tickets_than_questions_differ_and_new_ones_get_new_numbers(db):
    build(scale=replace(TINY, tickets=400))
    assert Ticket.objects.count() == 400
    there = Ticket.objects.there()
    assert len(set(there.values_list("title", flat=True))) > 380
    ticket = there.last()
    assert Ticket.objects.create(student=ticket.student, title="New", description="Text").pk > ticket.pk
    assert Reply.objects.create(ticket=ticket, author=ticket.student, text="New").pk


def test_a_negative_number_of_tickets_is_refused(db):
    with pytest.raises(CommandError, match="0 or more"):
        call_command("seed_demo", tickets=-1)
