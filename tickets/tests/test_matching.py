"""Who is offered for a ticket, and in which order tickets stand for a mentor."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from mentors.matching import Answers, Band, HelpedBefore, Rated, SharedTags, Waits
from mentors.models import MentorProfile, ProvenSkill, Tag
from mentors.tests.factories import MentorProfileFactory, TagFactory
from tickets.matching import Queue, mentors_for, rarities
from tickets.models import Ticket, TicketEvent
from tickets.tests.factories import TicketEventFactory, TicketFactory

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)

pytestmark = pytest.mark.django_db


@pytest.fixture
def ticket(ann):
    return ask("python", "celery", student=ann)


def ask(*tags, ago=HOUR, **fields):
    return TicketFactory(tags=tags or ["python"], created_at=NOW - ago, **fields)


def helper(*tags, **fields):
    return MentorProfileFactory(expertise=tags or ["python"], **fields)


def prove(mentor, tag, weight, ago=dt.timedelta(0)):
    ProvenSkill.objects.create(mentor=mentor, tag=Tag.objects.get(name=tag), weight=weight, weighed_at=NOW - ago)


def offered(ticket, **options):
    return [match.mentor for match in mentors_for(ticket, now=NOW, **options)]


def queries(count_of):
    with CaptureQueriesContext(connection) as captured:
        count_of()
    return len(captured)


# --- Mentors for a ticket: who is left out ----------------------------------------------------------------------------


def test_whoever_shares_a_tag_is_offered(ticket):
    fitting = helper("python", "cooking")
    helper("cooking")
    helper("celery").expertise.clear()
    assert offered(ticket) == [fitting]


def test_nobody_is_offered_their_own_ticket(ann, ticket):
    helper(user=ann)
    assert offered(ticket) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"approval": "waiting"},
        {"approval": "declined"},
        {"user__is_active": False},
        {"status": "busy"},
        {"status": "away"},
        {"tickets_at_once": 0},
    ],
)
def test_whoever_cannot_take_it_is_not_offered(ticket, fields):
    helper(**fields)
    assert offered(ticket) == []


def test_whoever_has_as_many_tickets_as_they_take_is_not_offered(ticket):
    mentor = helper(tickets_at_once=2)
    TicketFactory(mentor=mentor, assigned=True)
    TicketFactory(mentor=mentor, closed=True)
    assert offered(ticket) == [mentor]
    TicketFactory(mentor=mentor, assigned=True)
    assert offered(ticket) == []


@pytest.mark.parametrize("kind", [TicketEvent.Kind.ACCEPTED, TicketEvent.Kind.REASSIGNED])
def test_whoever_had_it_is_not_offered_again(ticket, kind):
    had_it, other = helper(), helper()
    TicketEventFactory(ticket=ticket, kind=TicketEvent.Kind.CREATED)
    TicketEventFactory(ticket=ticket, kind=kind, mentor=had_it)
    TicketEventFactory(ticket=ask(), kind=kind, mentor=other)
    assert offered(ticket) == [other]


def test_a_ticket_whose_tags_nobody_has_offers_nobody(ann):
    helper("python")
    assert offered(ask("cobol", student=ann)) == []
    assert offered(ask(student=ann)) != []


# --- In which order, and why ------------------------------------------------------------------------------------------


def test_knowing_more_of_the_ticket_comes_before_stars(ticket):
    star = helper("python", rating_count=100, rating_sum=500, tickets_answered=50, first_response_minutes=1)
    fitting = helper("python", "celery")
    irrelevant = helper("cooking", rating_count=100, rating_sum=500)
    assert offered(ticket) == [fitting, star]
    assert irrelevant not in offered(ticket)


def test_a_rare_tag_says_more_than_a_common_one(ticket):
    common = [helper("python") for _ in range(4)]
    rare = helper("celery")
    assert offered(ticket) == [rare, *common]
    assert rarities()[Tag.objects.get(name="celery").pk] > rarities()[Tag.objects.get(name="python").pk]


def test_rarity_counts_approved_mentors_only():
    helper("python")
    helper("cooking")
    before = rarities()
    helper("python", approval="waiting")
    assert rarities() == before
    assert rarities([]) == {}


def test_solved_tickets_prove_a_tag_and_old_ones_less(ticket):
    listed, old, recent = helper(), helper(), helper()
    prove(old, "python", 2, ago=360 * DAY)
    prove(recent, "python", 2)
    assert offered(ticket) == [recent, old, listed]


def test_what_was_proven_in_a_tag_no_longer_listed_does_not_count(ticket):
    former, listed = helper("celery"), helper("celery")
    prove(former, "celery", 0)
    TagFactory(name="python")
    prove(former, "python", 50)
    first, second = mentors_for(ticket, now=NOW)
    assert first.score == second.score
    assert [first.mentor, second.mentor] == [former, listed]


def test_ratings_speed_free_places_and_old_helpers_decide_among_equals(ann, ticket):
    plain = helper()
    rated = helper(rating_count=38, rating_sum=179)
    quick = helper(tickets_answered=40, first_response_minutes=10)
    loaded = helper()
    TicketFactory(mentor=loaded, assigned=True)
    helped = helper()
    TicketFactory(student=ann, mentor=helped, closed=True)
    order = offered(ticket)
    assert order[-2:] == [plain, loaded]
    assert set(order[:3]) == {rated, quick, helped}


def test_only_solved_tickets_of_this_student_make_an_old_helper(ann, sam, ticket):
    mentor = helper()
    TicketFactory(student=sam, mentor=mentor, closed=True)
    TicketFactory(student=ann, mentor=mentor, assigned=True)
    assert HelpedBefore() not in mentors_for(ticket, now=NOW)[0].reasons
    TicketFactory(student=ann, mentor=mentor, resolved=True)
    assert HelpedBefore() in mentors_for(ticket, now=NOW)[0].reasons


def test_reasons_tell_what_counted(ann, ticket):
    mentor = helper("celery", "python", rating_count=38, rating_sum=179, tickets_answered=5, first_response_minutes=120)
    helper("python")
    TicketFactory(student=ann, mentor=mentor, closed=True)
    (match, _) = mentors_for(ticket, now=NOW)
    assert match.reasons == (SharedTags(("celery", "python")), HelpedBefore(), Rated(179 / 38, 38), Answers(120))


def test_the_best_few_are_enough(ticket):
    mentors = [helper() for _ in range(4)]
    best = helper("python", "celery")
    assert offered(ticket, limit=3) == [best, *mentors[:2]]


def test_a_solved_ticket_has_mentors_to_talk_to_as_well():
    mentor, other = helper(), helper()
    solved = TicketFactory(mentor=mentor, resolved=True)
    TicketEventFactory(ticket=solved, kind=TicketEvent.Kind.ACCEPTED, mentor=mentor)
    assert offered(solved) == [other]


def test_mentors_take_the_same_queries_however_many_there_are(ticket):
    def look():
        for match in mentors_for(ticket, now=NOW):
            assert str(match.mentor.user)
            assert match.reasons

    prove(helper(), "python", 1)
    one = queries(look)
    for _ in range(2):
        prove(helper("python", "celery"), "celery", 1)
    assert queries(look) == one == 8


# --- Tickets for a mentor ---------------------------------------------------------------------------------------------


@pytest.fixture
def python_mentor(mentor):
    """Max knows python and django; other mentors know other things."""
    mentor.expertise.set([TagFactory(name="python"), TagFactory(name="django")])
    helper("cooking", "sql", "c++")
    return mentor


def queue(profile, **options):
    return Queue(profile, now=NOW, **options)


def shown(profile, **options):
    return [row.ticket for row in queue(profile, **options)[:]]


def test_open_tickets_of_others_are_in_the_queue(python_mentor):
    TicketFactory(assigned=True)
    TicketFactory(closed=True)
    TicketFactory(deleted=True)
    TicketFactory(student=python_mentor.user)
    assert shown(python_mentor) == []
    there = ask()
    assert shown(python_mentor) == [there]


def test_what_fits_strongly_comes_first_and_longest_waiting_first_within(python_mentor):
    nothing = ask("sql", ago=9 * HOUR)
    some = ask("python", "sql", "cooking", "c++", ago=8 * HOUR)
    young, old = ask("python", ago=HOUR), ask("python", "django", ago=2 * HOUR)
    assert shown(python_mentor) == [old, young, some, nothing]
    assert [row.band for row in queue(python_mentor)[:]] == [Band.STRONG, Band.STRONG, Band.SOME, Band.NONE]


def test_for_you_leaves_out_what_neither_fits_nor_waits_long(python_mentor):
    ask("cooking", ago=2 * DAY - HOUR)
    long_ago, fitting = ask("cooking", ago=2 * DAY), ask("python")
    assert shown(python_mentor, fitting_only=True) == [fitting, long_ago]
    assert len(queue(python_mentor)) == 3


def test_what_nobody_fits_climbs_to_the_top(python_mentor):
    fitting = ask("python", ago=3 * DAY)
    ignored = ask("cobol", ago=4 * DAY)
    assert shown(python_mentor) == [ignored, fitting]
    younger = ask("cobol", ago=4 * DAY - HOUR)
    assert shown(python_mentor) == [ignored, fitting, younger]


def test_a_ticket_that_fits_a_little_climbs_too(python_mentor):
    strong = ask("python", ago=DAY)
    a_little = ask("python", "sql", "cooking", "c++", ago=2 * DAY)
    assert shown(python_mentor) == [a_little, strong]


def test_a_released_ticket_waits_anew(python_mentor):
    released = ask("cobol", ago=9 * DAY)
    Ticket.objects.filter(pk=released.pk).update(opened_at=NOW - HOUR)
    assert shown(python_mentor, fitting_only=True) == []


def test_a_tag_that_no_mentor_has_does_not_make_a_ticket_fit_less(python_mentor):
    ask("python", "my-homework", "help", "urgent")
    assert queue(python_mentor)[0].band == Band.STRONG


def test_proven_tags_carry_a_ticket_up(python_mentor):
    ask("python", "sql", "cooking")
    assert queue(python_mentor)[0].band == Band.SOME
    prove(python_mentor, "python", 1000)
    assert queue(python_mentor)[0].band == Band.STRONG


def test_a_row_tells_why_it_is_there(python_mentor):
    ticket = ask("sql", "python", ago=3 * HOUR, description="# Help\n\nIt *breaks* `at` night.\n" + "long " * 500)
    row = queue(python_mentor)[0]
    assert row.ticket == ticket
    assert row.reasons == (SharedTags(("python",)), Waits(180))
    assert [tag.name for tag in row.matching_tags] == ["python"]
    assert [tag.name for tag in row.other_tags] == ["sql"]
    assert row.excerpt.startswith("Help It breaks at night. long")
    assert len(row.excerpt) <= 160


def test_a_row_that_fits_nobody_tells_how_long_it_waits(python_mentor):
    ask("cobol", ago=5 * DAY)
    assert queue(python_mentor)[0].reasons == (Waits(5 * 24 * 60),)


def test_a_clock_ahead_of_ours_does_not_make_a_ticket_wait_less_than_nothing(python_mentor):
    ask("python", ago=-HOUR)
    assert queue(python_mentor)[0].reasons[-1] == Waits(0)


def test_tags_narrow_the_queue_together(python_mentor):
    both = ask("python", "django")
    ask("python")
    ask("django")
    python, django = (Tag.objects.get(name=name) for name in ("python", "django"))
    assert len(queue(python_mentor, tags=[python])) == 2
    assert shown(python_mentor, tags=[python, django]) == [both]
    assert queue(python_mentor, tags=[python, django])[0].reasons[0] == SharedTags(("django", "python"))


def test_the_queue_counts_the_tags_that_its_mentor_knows(python_mentor):
    for _ in range(2):
        ask("django", "sql")
    ask("python", "django")
    assert [(tag.name, count) for tag, count in queue(python_mentor).own_tags()] == [("django", 3), ("python", 1)]


def test_a_mentor_without_expertise_sees_the_longest_waiting_first(mentor):
    young, old = ask("python"), ask("sql", ago=DAY)
    assert shown(mentor) == [old, young]
    assert shown(mentor, fitting_only=True) == []


def test_a_ticket_without_tags_is_in_the_queue(python_mentor):
    bare = ask("python")
    bare.tags.clear()
    assert shown(python_mentor) == [bare]


def test_a_ticket_taken_since_the_queue_was_read_is_left_out(python_mentor):
    taken, there = ask(ago=2 * HOUR), ask()
    rows = queue(python_mentor)
    Ticket.objects.filter(pk=taken.pk).update(status="assigned", mentor=python_mentor)
    assert [row.ticket for row in rows[:]] == [there]


def test_slices_follow_each_other(python_mentor):
    tickets = [ask(ago=n * HOUR) for n in range(5, 0, -1)]
    rows = queue(python_mentor)
    assert [row.ticket for row in rows[1:3]] == tickets[1:3]
    assert rows[4].ticket == tickets[4]
    assert rows[9:] == []


def test_the_queue_takes_the_same_queries_however_many_tickets_there_are(python_mentor):
    profile = MentorProfile.objects.select_related("user").get(pk=python_mentor.pk)

    def look():
        for row in queue(profile)[:20]:
            assert str(row.ticket.student)
            assert row.excerpt
            assert row.matching_tags

    ask("python", "sql")
    one = queries(look)
    for _ in range(2):
        ask("python", "django", "cobol")
    assert queries(look) == one == 7


# --- A mentor's own ---------------------------------------------------------------------------------------------------


def test_a_mentors_own_tickets_stand_with_the_awaited_ones_first(mentor):
    def own(trait, **fields):
        return TicketFactory(mentor=mentor, **{trait: True}, **fields)

    solved_early = own("closed", resolved_at=NOW - 9 * DAY)
    solved_late = own("resolved", resolved_at=NOW - DAY)
    at_student = own("assigned", waiting_on="student", waiting_since=NOW - 8 * DAY)
    young = own("assigned", waiting_since=NOW - HOUR)
    asked_after_solution = own("resolved", waiting_on="mentor", waiting_since=NOW - 2 * HOUR)
    TicketFactory(assigned=True)
    rows = Ticket.objects.for_mentor(mentor).awaited_first()
    assert list(rows) == [asked_after_solution, young, at_student, solved_late, solved_early]
    assert [ticket.place for ticket in rows] == [0, 0, 1, 2, 2]
