"""Which pairs are found, in which order, and what they cost in queries."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, ProjectGroup
from accounts.tests.factories import UserFactory
from bookings.actions import (
    AllTaken,
    GroupDoesNotPay,
    MentorNotBookable,
    StudentBusy,
    TitleMissing,
    book_best,
)
from bookings.actions.scheduling import Choice
from bookings.models import Appointment
from bookings.scheduling import (
    Wanted,
    best_of,
    best_pairs,
    earliness,
    those_within,
    to_choose_from,
    what_to_loosen,
)
from bookings.tests.factories import AppointmentFactory, book, rich, works_every_day
from mentors.matching import HelpedBefore, Rated, SharedTags
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory, TagFactory
from tickets.tests.factories import TicketFactory
from wallets.actions import (
    IdempotencyMismatch,
    NotEnoughPoints,
    contribute_points,
    grant_points,
    wallet_of,
    wallet_of_group,
)

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 14, 10, tzinfo=dt.UTC)  # a Thursday
TOMORROW = dt.date(2027, 1, 15)
NINE = dt.datetime(2027, 1, 15, 9, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def wanted(**wish):
    wish = {
        "duration_minutes": 60,
        "first": TOMORROW,
        "last": TOMORROW + dt.timedelta(days=6),
        "zone": "UTC",
        "highest_price_points": 100,
        **wish,
    }
    return Wanted(**{**wish, "tags": tuple(TagFactory(name=name) for name in wish.get("tags", ()))})


def mentor_who_knows(*tags, hours=(9 * 60, 17 * 60), **fields):
    mentor = MentorProfileFactory(expertise=tags, timezone="UTC", **fields)
    return works_every_day(mentor, *hours)


def found(student, limit=10, now=NOW, **wish):
    return best_pairs(wanted(**wish), student=student, now=now, limit=limit)


def mentors_of(pairs):
    return [pair.mentor for pair in pairs]


# --- Who is found -----------------------------------------------------------------------------------------------------


def test_a_pair_is_a_mentor_a_free_time_a_price_and_reasons(ann):
    max = mentor_who_knows("python", hourly_rate_points=50, rating_count=2, rating_sum=9)
    (pair,) = found(ann, tags=["python", "django"])
    assert (pair.mentor, pair.starts_at, pair.ends_at, pair.price_points) == (max, NINE, NINE + HOUR, 50)
    assert [type(reason) for reason in pair.reasons[:-1]] == [SharedTags, Rated]
    assert (pair.reasons[-1].kind, pair.reasons[-1].starts_at) == ("free", NINE)
    assert pair.more == (NINE + dt.timedelta(days=1), NINE + dt.timedelta(days=2))


def test_who_knows_none_of_the_tags_is_not_proposed(ann):
    mentor_who_knows("css")
    one, both = mentor_who_knows("python"), mentor_who_knows("python", "django")
    assert mentors_of(found(ann, tags=["python", "django"])) == [both, one]


def test_without_tags_everybody_fits(ann):
    assert len([mentor_who_knows("css"), mentor_who_knows(), *found(ann)]) == 4


def test_a_session_that_is_too_dear_is_not_proposed(ann):
    cheap, _dear = mentor_who_knows(hourly_rate_points=40), mentor_who_knows(hourly_rate_points=41)
    assert mentors_of(found(ann, highest_price_points=40)) == [cheap]


def test_the_highest_price_is_that_of_the_session_and_not_of_an_hour(ann):
    mentor = mentor_who_knows(hourly_rate_points=40, session_minutes=[30, 60])
    assert [pair.price_points for pair in found(ann, highest_price_points=20, duration_minutes=30)] == [20]
    assert found(ann, highest_price_points=20, duration_minutes=60) == []
    assert mentor.price_points(30) == 20


def test_who_does_not_offer_the_length_is_not_proposed(ann):
    mentor_who_knows(session_minutes=[30, 45])
    assert found(ann) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"status": MentorProfile.Status.AWAY},
        {"approval": MentorProfile.Approval.WAITING},
        {"user__is_active": False},
    ],
)
def test_who_cannot_be_booked_is_not_proposed(ann, fields):
    mentor_who_knows(**fields)
    assert found(ann) == []


def test_nobody_is_proposed_to_themself(mentor, max):
    works_every_day(mentor)
    assert found(max) == []


def test_a_member_of_the_group_is_not_proposed_for_it(ann):
    inside, outside = mentor_who_knows(), mentor_who_knows()
    group = ProjectGroup.objects.create(name="Compilers", owner=ann)
    Membership.objects.bulk_create([Membership(group=group, user=user) for user in (ann, inside.user)])
    assert mentors_of(found(ann, group=group)) == [outside]
    assert len(found(ann)) == 2


# --- When -------------------------------------------------------------------------------------------------------------


def test_a_session_lies_wholly_within_the_hours(ann):
    mentor_who_knows(slot_step_minutes=30)
    (pair,) = found(ann, from_minute=10 * 60 + 15, to_minute=11 * 60 + 30)
    assert pair.starts_at == NINE + 1.5 * HOUR
    assert found(ann, from_minute=10 * 60 + 15, to_minute=11 * 60 + 29) == []


def test_hours_are_those_of_the_student_s_zone(ann):
    mentor_who_knows(hours=(0, 1440))
    (pair,) = found(ann, zone="Asia/Kathmandu", from_minute=9 * 60, to_minute=11 * 60)
    assert pair.starts_at == dt.datetime(2027, 1, 15, 4, tzinfo=dt.UTC)  # 9:45 there


def test_hours_run_over_midnight_on_the_last_day_too(ann):
    mentor_who_knows(hours=(0, 2 * 60))
    (pair,) = found(ann, first=TOMORROW, last=TOMORROW, from_minute=22 * 60, to_minute=60)
    assert pair.starts_at == dt.datetime(2027, 1, 16, tzinfo=dt.UTC)
    assert found(ann, first=TOMORROW, last=TOMORROW, from_minute=22 * 60, to_minute=59) == []


def test_an_hour_that_the_clock_leaves_out_holds_nothing_and_the_others_stay(ann):
    mentor_who_knows(hours=(0, 1440))
    night = dt.datetime(2027, 3, 27, 12, tzinfo=dt.UTC)  # Madrid leaves out 2:00 to 3:00 on the 28th
    wish = {"zone": "Europe/Madrid", "first": dt.date(2027, 3, 28), "from_minute": 2 * 60, "to_minute": 3 * 60}
    assert found(ann, now=night, last=dt.date(2027, 3, 28), **wish) == []
    (pair,) = found(ann, now=night, last=dt.date(2027, 3, 29), **wish)
    assert pair.starts_at == dt.datetime(2027, 3, 29, 0, tzinfo=dt.UTC)


def test_hours_that_come_twice_hold_twice_as_much(ann):
    wish = wanted(
        zone="Europe/Madrid", first=dt.date(2027, 10, 31), last=dt.date(2027, 10, 31), from_minute=60, to_minute=4 * 60
    )
    ((since, until),) = wish.stretches()
    assert until - since == 3 * HOUR + dt.timedelta(seconds=1)  # four hours, less the session


def test_the_past_is_not_proposed(ann):
    mentor_who_knows()
    (pair,) = found(ann, first=NOW.date(), last=NOW.date(), now=NOW + 2.5 * HOUR)
    assert pair.starts_at == NOW + 3 * HOUR
    assert found(ann, first=NOW.date(), last=NOW.date(), now=NOW + 10 * HOUR) == []


def test_what_is_taken_is_not_proposed_whether_the_mentor_or_the_student_has_no_time(ann, sam):
    max, nora = mentor_who_knows(hours=(9 * 60, 11 * 60)), mentor_who_knows(hours=(9 * 60, 11 * 60))
    book(max, rich(sam), NINE, now=NOW)
    assert {pair.mentor: pair.starts_at for pair in found(ann)} == {max: NINE + HOUR, nora: NINE}
    AppointmentFactory(student=ann, starts_at=NINE)
    assert {pair.starts_at for pair in found(ann)} == {NINE + HOUR}


def test_other_times_are_on_other_days_where_there_are_any(ann):
    mentor_who_knows(hours=(9 * 60, 12 * 60))
    (pair,) = found(ann, last=TOMORROW)
    assert pair.more == (NINE + HOUR, NINE + 2 * HOUR)
    (pair,) = found(ann, last=TOMORROW + dt.timedelta(days=1))
    assert pair.more == (NINE + HOUR, NINE + dt.timedelta(days=1))


# --- The order --------------------------------------------------------------------------------------------------------


def test_of_two_alike_the_earlier_comes_first(ann):
    late, early = mentor_who_knows(hours=(12 * 60, 17 * 60)), mentor_who_knows()
    assert mentors_of(found(ann)) == [early, late]


def test_of_two_alike_at_one_time_the_cheaper_comes_first(ann):
    dear, cheap = mentor_who_knows(hourly_rate_points=60), mentor_who_knows(hourly_rate_points=50)
    assert mentors_of(found(ann)) == [cheap, dear]


def test_a_start_is_worth_half_after_the_half_life(settings):
    settings.SCHEDULING = {"half_life_days": 4}
    assert earliness(NINE + dt.timedelta(days=4), NINE) == pytest.approx(0.5)
    assert earliness(NINE, NINE) == 1 == earliness(NINE - HOUR, NINE)


def test_knowing_twice_as_much_outweighs_days_and_not_weeks(ann, settings):
    settings.SCHEDULING = {"half_life_days": 4}
    both = mentor_who_knows("python", "django")
    one = mentor_who_knows("python")
    mentor_who_knows("css")  # so that sharing a tag says something
    AppointmentFactory(mentor=both, starts_at=NINE, ends_at=NINE + dt.timedelta(days=2, hours=10))
    assert mentors_of(found(ann, tags=["python", "django"])) == [both, one]
    AppointmentFactory(
        mentor=both, starts_at=NINE + dt.timedelta(days=2, hours=10), ends_at=NINE + dt.timedelta(days=10)
    )
    assert mentors_of(found(ann, tags=["python", "django"], last=dt.date(2027, 1, 31))) == [one, both]


def test_who_helped_before_comes_first_among_equals_in_writing_or_in_a_session(ann):
    stranger, wrote, met = mentor_who_knows(), mentor_who_knows(), mentor_who_knows()
    TicketFactory(student=ann, mentor=wrote, closed=True)
    AppointmentFactory(
        student=ann, mentor=met, status=Appointment.Status.COMPLETED, starts_at=NINE - dt.timedelta(days=9)
    )
    pairs = found(ann)
    assert mentors_of(pairs) == [wrote, met, stranger]
    assert [HelpedBefore() in pair.reasons for pair in pairs] == [True, True, False]


def test_the_best_of_many_are_those_that_a_look_at_everybody_would_give():
    """Nobody is left out because their starts were not asked for."""
    starts = {pk: [NINE + dt.timedelta(hours=(pk * 37) % 300)] if pk % 5 else [] for pk in range(200)}
    scored = [(((pk * 61) % 100) / 100, pk % 7, pk) for pk in range(200)]
    asked = []

    def starts_of(pk):
        asked.append(pk)
        return starts[pk]

    best = best_of(scored, starts_of, since=NINE, limit=10)
    everybody = sorted(
        (-score * earliness(starts[pk][0], NINE), starts[pk][0], price, pk) for score, price, pk in scored if starts[pk]
    )
    assert [ranked[:4] for ranked in best] == everybody[:10]
    assert len(asked) < 150


def test_no_more_pairs_than_asked_for_come(ann):
    for _ in range(4):
        mentor_who_knows()
    assert len(found(ann, limit=3)) == 3


# --- Arithmetic -------------------------------------------------------------------------------------------------------


def test_starts_within_stretches():
    starts = [NINE + number * HOUR for number in range(6)]
    stretches = [(NINE - HOUR, NINE + HOUR), (NINE + 2 * HOUR, NINE + 4 * HOUR)]
    assert those_within(starts, stretches) == [starts[0], starts[2], starts[3]]
    assert those_within([], stretches) == [] == those_within(starts, [])


def test_one_time_leaves_no_others_to_choose_from():
    assert to_choose_from([NINE], dt.UTC) == [NINE]


# --- What it costs ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tags", [(), ("python", "django")])
def test_any_number_of_mentors_takes_as_many_queries(ann, tags):
    counts = []
    mentors = 0
    wish = wanted(tags=tags)
    for enough in (1, 3, 50, 210):
        while mentors < enough:
            mentor_who_knows(*(tags[:1] if mentors % 2 else tags))
            mentors += 1
        user = type(ann).objects.get(pk=ann.pk)
        with CaptureQueriesContext(connection) as queries:
            assert len(best_pairs(wish, student=user, now=NOW)) == min(enough, 10)
        counts.append(len(queries))
    assert len(set(counts)) == 1, counts
    assert counts[0] <= 13


def test_what_to_loosen_takes_as_many_queries_for_any_number_of_mentors(ann):
    counts, mentors = [], 0
    for enough in (1, 3, 50):
        while mentors < enough:
            mentor_who_knows("css")
            mentors += 1
        user = type(ann).objects.get(pk=ann.pk)
        wish = wanted(tags=["python"])
        with CaptureQueriesContext(connection) as queries:
            assert [(one.kind, one.mentors) for one in what_to_loosen(wish, student=user, now=NOW)] == [
                ("tags", enough)
            ]
        counts.append(len(queries))
    assert len(set(counts)) == 1, counts


# --- Nothing is found -------------------------------------------------------------------------------------------------


def kinds(student, **wish):
    wish = wanted(**wish)
    assert best_pairs(wish, student=student, now=NOW) == []
    return {one.kind: (one.mentors, one.value) for one in what_to_loosen(wish, student=student, now=NOW)}


def test_each_filter_that_stands_in_the_way_by_itself_is_named(ann):
    mentor_who_knows("python", hourly_rate_points=50)
    mentor_who_knows("python", hourly_rate_points=60)
    assert kinds(ann, highest_price_points=49) == {"price": (2, 50)}
    assert kinds(ann, tags=["css"]) == {"tags": (2, None)}
    assert kinds(ann, from_minute=20 * 60, to_minute=22 * 60) == {"hours": (2, None)}
    assert kinds(ann, duration_minutes=30) == {"length": (2, 60)}


def test_other_days_are_named_with_the_first_that_has_a_time(ann):
    mentor = mentor_who_knows()
    AppointmentFactory(mentor=mentor, starts_at=NINE, ends_at=NINE + dt.timedelta(days=7))
    AppointmentFactory(mentor=mentor, starts_at=NOW, ends_at=NOW + 7 * HOUR)
    assert kinds(ann) == {"dates": (1, NINE + dt.timedelta(days=7))}


def test_what_two_filters_forbid_is_promised_by_none(ann):
    mentor_who_knows("python", hourly_rate_points=50)
    assert kinds(ann, tags=["css"], highest_price_points=49) == {}


# --- Booking the best -------------------------------------------------------------------------------------------------


def choice(pair, **changes):
    return Choice(pair.mentor.pk, pair.starts_at, pair.price_points)._replace(**changes)


def try_to_book(student, chosen, wish=None, **more):
    return book_best(wish or wanted(), **{"student": student, "chosen": chosen, "title": "Forms", "now": NOW, **more})


def test_the_chosen_one_is_booked_and_its_price_held(ann):
    mentor_who_knows(), mentor_who_knows()
    pairs = found(rich(ann, 100))
    appointment = try_to_book(ann, choice(pairs[1]), pairs=pairs)
    assert (appointment.mentor, appointment.starts_at) == (pairs[1].mentor, NINE)
    assert wallet_of(ann).balance_points == 50


def test_a_ticket_and_a_group_come_with_it(ann):
    mentor_who_knows("python")
    group = ProjectGroup.objects.create(name="Compilers", owner=ann)
    Membership.objects.create(group=group, user=ann)
    ticket = TicketFactory(student=rich(ann))
    wish = wanted(group=group, ticket=ticket)
    (pair,) = best_pairs(wish, student=ann, now=NOW)
    appointment = try_to_book(ann, choice(pair), wish)
    assert (appointment.group, appointment.ticket) == (group, ticket)


def test_when_it_was_just_taken_the_next_on_the_list_is_booked(ann, sam):
    first, second = mentor_who_knows(), mentor_who_knows(hourly_rate_points=70)
    pairs = found(rich(ann))
    book(first, rich(sam), NINE, now=NOW)
    appointment = try_to_book(ann, choice(pairs[0]), pairs=pairs)
    assert (appointment.mentor, appointment.starts_at, appointment.price_points) == (second, NINE, 70)


def test_the_next_is_looked_for_anew_where_no_list_is_given(ann, sam):
    first = mentor_who_knows()
    (pair,) = found(rich(ann))
    book(first, rich(sam), NINE, now=NOW)
    assert try_to_book(ann, choice(pair)).starts_at == NINE + HOUR


def test_a_mentor_who_went_away_or_changed_the_lengths_is_passed_over(ann):
    gone, shortened, left = mentor_who_knows(), mentor_who_knows(), mentor_who_knows(hourly_rate_points=60)
    pairs = found(rich(ann))
    MentorProfile.objects.filter(pk=gone.pk).update(status=MentorProfile.Status.AWAY)
    MentorProfile.objects.filter(pk=shortened.pk).update(session_minutes=[30])
    assert try_to_book(ann, choice(pairs[0]), pairs=pairs).mentor == left


def test_the_next_is_never_dearer_than_the_highest_price(ann, sam):
    first, second = mentor_who_knows(), mentor_who_knows()
    pairs = found(rich(ann))
    book(first, rich(sam), NINE, now=NOW)
    MentorProfile.objects.filter(pk=second.pk).update(hourly_rate_points=101)
    with pytest.raises(AllTaken) as refusal:
        try_to_book(ann, choice(pairs[0]), pairs=pairs)
    assert [(pair.mentor, pair.starts_at) for pair in refusal.value.pairs] == [(first, NINE + HOUR)]
    assert wallet_of(ann).balance_points == 1_000


def test_what_was_clicked_is_not_booked_for_more_than_stood_on_the_button(ann):
    mentor = mentor_who_knows(hourly_rate_points=50)
    (pair,) = found(rich(ann))
    MentorProfile.objects.filter(pk=mentor.pk).update(hourly_rate_points=60)
    with pytest.raises(AllTaken) as refusal:
        try_to_book(ann, choice(pair), pairs=[pair])
    assert refusal.value.first.code == "price_raised"
    assert not Appointment.objects.exists()


def test_not_enough_points_and_a_busy_student_end_it(ann):
    mentor_who_knows(), mentor_who_knows(hourly_rate_points=0)
    pairs = sorted(found(ann), key=lambda pair: -pair.price_points)
    with pytest.raises(NotEnoughPoints):
        try_to_book(ann, choice(pairs[0]), pairs=pairs)
    AppointmentFactory(student=ann, starts_at=NINE)
    with pytest.raises(StudentBusy):
        try_to_book(ann, choice(pairs[0]), pairs=pairs)


def test_who_may_not_pay_from_the_group_is_told_so(ann, sam):
    mentor_who_knows()
    group = ProjectGroup.objects.create(name="Compilers", owner=sam)
    Membership.objects.bulk_create([Membership(group=group, user=user) for user in (ann, sam)])
    wish = wanted(group=group, pays_from_group=True)
    (pair,) = best_pairs(wish, student=ann, now=NOW)
    with pytest.raises(GroupDoesNotPay):
        try_to_book(ann, choice(pair), wish)


def test_a_title_is_needed_and_nothing_is_tried_without(ann):
    mentor_who_knows()
    (pair,) = found(ann)
    with pytest.raises(TitleMissing):
        try_to_book(ann, choice(pair), title=" ")


def test_a_mentor_that_the_student_does_not_see_is_as_good_as_none(ann):
    hidden = MentorProfileFactory(approval=MentorProfile.Approval.WAITING)
    for pk in (hidden.pk, 2**31 - 1):
        with pytest.raises(AllTaken) as refusal:
            try_to_book(ann, Choice(pk, NINE, 0))
        assert isinstance(refusal.value.first, MentorNotBookable)


def test_one_key_books_once_also_when_the_first_try_was_taken(ann, sam):
    first, second, _third = [mentor_who_knows() for _ in range(3)]
    pairs = found(rich(ann))
    book(first, rich(sam), NINE, now=NOW)
    booked = try_to_book(ann, choice(pairs[0]), pairs=pairs, idempotency_key="k")
    assert booked.mentor == second
    for again in (pairs, None):
        assert try_to_book(ann, choice(pairs[0]), pairs=again, idempotency_key="k") == booked
    assert Appointment.objects.filter(student=ann).count() == 1
    assert wallet_of(ann).balance_points == 950


def test_one_key_books_once_also_when_what_was_taken_is_free_again(ann, sam):
    first, _second = mentor_who_knows(), mentor_who_knows()
    pairs = found(rich(ann))
    other = book(first, rich(sam), NINE, now=NOW)
    booked = try_to_book(ann, choice(pairs[0]), pairs=pairs, idempotency_key="k")
    Appointment.objects.filter(pk=other.pk).update(status=Appointment.Status.CANCELLED)
    assert try_to_book(ann, choice(pairs[0]), pairs=pairs, idempotency_key="k") == booked


@pytest.mark.parametrize("change", [{"title": "Views"}, {"wish": {"duration_minutes": 30}}, {"chosen": 1}])
def test_one_key_with_other_content_is_refused(ann, change):
    for _ in range(2):
        mentor_who_knows(session_minutes=[30, 60])
    pairs = found(rich(ann))
    try_to_book(ann, choice(pairs[0]), pairs=pairs, idempotency_key="k")
    chosen = choice(pairs[change.pop("chosen", 0)])
    wish = wanted(**change.pop("wish", {}))
    with pytest.raises(IdempotencyMismatch):
        try_to_book(ann, chosen, wish, pairs=pairs, idempotency_key="k", **change)
    assert Appointment.objects.count() == 1


def test_points_of_a_group_pay_for_the_next_too(ann, sam):
    first, second = mentor_who_knows(), mentor_who_knows()
    group = ProjectGroup.objects.create(name="Compilers", owner=ann)
    Membership.objects.create(group=group, user=ann)
    grant_points(ann, points=100)
    contribute_points(group, by=ann, points=100)
    wish = wanted(group=group, pays_from_group=True)
    pairs = best_pairs(wish, student=ann, now=NOW)
    book(first, rich(sam), NINE, now=NOW)
    appointment = try_to_book(ann, choice(pairs[0]), wish, pairs=pairs)
    assert (appointment.mentor, appointment.group) == (second, group)
    assert wallet_of_group(group).balance_points == 50


def test_a_stranger_s_session_stays_theirs(ann):
    """The same key of somebody else is another key."""
    mentor_who_knows(), mentor_who_knows()
    pairs = found(rich(ann))
    other = rich(UserFactory())
    one = try_to_book(ann, choice(pairs[0]), pairs=pairs, idempotency_key="k")
    two = try_to_book(other, choice(pairs[0]), pairs=pairs, idempotency_key="k")
    assert one != two
    assert {one.mentor, two.mentor} == set(mentors_of(pairs))
