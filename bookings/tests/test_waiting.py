"""The line for a full day: who may join, who gets what frees up, and who does not."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest

from accounts.models import User
from accounts.tests.factories import UserFactory
from bookings import availability
from bookings.actions import (
    DayNotAhead,
    LengthNotOffered,
    MentorNotBookable,
    NotFull,
    NothingToWaitFor,
    OwnMentor,
    SlotTaken,
    TooManyPlaces,
    cancel_appointment,
    decline_appointment,
    expire_requests,
    join_waiting_list,
    leave_waiting_list,
    pass_on_lapsed_holds,
    replace_availability,
    set_days_off,
)
from bookings.models import Appointment, BusyTime, CalendarImport, WaitingListEntry
from bookings.slots import Reason
from bookings.tests.factories import AppointmentFactory, BusyTimeFactory, book, rich, works_every_day
from mentorbook import jobs
from mentorbook.errors import NotAllowed
from mentors.models import MentorProfile
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Kind, Notification

pytestmark = pytest.mark.django_db

Status = WaitingListEntry.Status
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)
TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
FRIDAY = TEN.date()
NOW = TEN - DAY
QUARTER = 15 * MINUTE


@pytest.fixture
def mentor(mentor):
    """Max works every day from 10 to 12 UTC, with room for two sessions of an hour."""
    MentorProfile.objects.filter(pk=mentor.pk).update(timezone="UTC", session_minutes=[30, 60])
    mentor.refresh_from_db()
    return works_every_day(mentor, 10 * 60, 12 * 60)


@pytest.fixture
def full(mentor):
    """Both hours of that Friday are booked."""
    return [book(mentor, rich(UserFactory()), TEN + number * HOUR, now=NOW) for number in range(2)]


def wait(mentor, student, date=FRIDAY, now=NOW, minutes=60, zone="UTC"):
    return join_waiting_list(mentor, student=student, date=date, zone=zone, duration_minutes=minutes, now=now)


def cancel(appointment, now=NOW):
    return cancel_appointment(appointment, by=appointment.mentor.user, now=now)


def fresh(row):
    row.refresh_from_db()
    return row


def told(person, kind):
    return list(Notification.objects.filter(recipient=person, kind=kind))


# --- Joining ----------------------------------------------------------------------------------------------------------


def test_a_student_waits_for_a_full_day_of_their_own_calendar(ann, mentor, full):
    entry = wait(mentor, ann, zone=ZoneInfo("Europe/Madrid"))
    assert (entry.status, entry.timezone, entry.duration_minutes) == (Status.WAITING, "Europe/Madrid", 60)
    assert entry.since == dt.datetime(2027, 1, 14, 23, tzinfo=dt.UTC)
    assert entry.until == entry.since + DAY


def test_joining_twice_keeps_the_place(ann, mentor, full):
    assert wait(mentor, ann) == wait(mentor, ann)
    assert WaitingListEntry.objects.count() == 1


def test_somebody_for_whom_a_time_is_held_keeps_it_by_joining_again(ann, mentor, full):
    entry = wait(mentor, ann)
    cancel(full[0])
    assert wait(mentor, ann) == entry
    assert fresh(entry).status == Status.OFFERED


def test_a_day_with_a_free_time_has_no_line(ann, mentor, full):
    cancel(full[0])
    with pytest.raises(NotFull) as refusal:
        wait(mentor, ann, zone="Europe/Madrid")
    assert refusal.value.starts == [TEN]
    assert "11:00" in str(refusal.value.message), "the time on the student's clock"


def test_a_day_may_be_full_for_long_sessions_alone(ann, mentor, full):
    cancel(full[0])
    book(mentor, rich(UserFactory()), TEN, duration_minutes=30, now=NOW)
    assert wait(mentor, ann, minutes=60)
    with pytest.raises(NotFull):
        wait(mentor, ann, minutes=30)


def test_nobody_waits_for_themself(mentor, full):
    with pytest.raises(OwnMentor):
        wait(mentor, mentor.user)


@pytest.mark.parametrize("change", [{"status": "away"}, {"approval": "declined"}])
def test_nobody_waits_for_a_mentor_who_takes_no_bookings(ann, mentor, full, change):
    MentorProfile.objects.filter(pk=mentor.pk).update(**change)
    with pytest.raises(MentorNotBookable):
        wait(mentor, ann)


def test_nobody_waits_for_a_length_that_is_not_offered(ann, mentor, full):
    with pytest.raises(LengthNotOffered):
        wait(mentor, ann, minutes=45)


@pytest.mark.parametrize(
    "date",
    [FRIDAY - 2 * DAY, FRIDAY + dt.timedelta(days=90), dt.date.min, dt.date.max, FRIDAY + dt.timedelta(days=400)],
)
def test_nobody_waits_for_a_day_that_is_not_ahead(ann, mentor, full, date):
    with pytest.raises(DayNotAhead):
        wait(mentor, ann, date)


def test_nobody_waits_for_a_day_that_their_zone_skipped(ann, mentor):
    now = dt.datetime(2011, 12, 28, tzinfo=dt.UTC)
    with pytest.raises(DayNotAhead):
        wait(mentor, ann, dt.date(2011, 12, 30), now=now, zone="Pacific/Apia")


def test_nobody_waits_for_a_day_off(ann, mentor):
    set_days_off(mentor, FRIDAY, FRIDAY, now=NOW)
    with pytest.raises(NothingToWaitFor) as refusal:
        wait(mentor, ann)
    assert refusal.value.reason == Reason.day_off


def test_nobody_waits_where_no_cancellation_leaves_time_enough(ann, mentor):
    replace_availability(mentor, weekly={FRIDAY.isoweekday(): [(600, 640)]}, now=NOW)
    with pytest.raises(NothingToWaitFor) as refusal:
        wait(mentor, ann)
    assert refusal.value.reason == Reason.too_short


def test_nobody_waits_while_the_notice_forbids_what_may_free_up(ann, mentor, full):
    MentorProfile.objects.filter(pk=mentor.pk).update(minimum_notice_minutes=2 * 1440)
    with pytest.raises(NothingToWaitFor) as refusal:
        wait(mentor, ann)
    assert refusal.value.reason == Reason.notice


def test_nobody_waits_for_a_day_on_which_they_are_busy_themselves(ann, mentor, full):
    AppointmentFactory(student=ann, starts_at=TEN, ends_at=TEN + 2 * HOUR)
    with pytest.raises(NothingToWaitFor) as refusal:
        wait(mentor, ann)
    assert refusal.value.reason == Reason.student_busy


def test_nobody_waits_for_a_limit_that_is_reached_for_good(ann, mentor):
    MentorProfile.objects.filter(pk=mentor.pk).update(max_sessions_per_day=1)
    AppointmentFactory(mentor=mentor, starts_at=TEN, status="completed")
    with pytest.raises(NothingToWaitFor) as refusal:
        wait(mentor, ann, now=TEN + 10 * MINUTE)
    assert refusal.value.reason == Reason.day_limit


def test_a_full_limit_of_the_day_or_the_week_can_be_waited_for(ann, mentor):
    book(mentor, rich(UserFactory()), TEN, now=NOW)
    MentorProfile.objects.filter(pk=mentor.pk).update(max_sessions_per_day=1)
    assert wait(mentor, ann)
    MentorProfile.objects.filter(pk=mentor.pk).update(max_sessions_per_day=None, max_sessions_per_week=1)
    assert wait(mentor, ann, FRIDAY + DAY)


def test_a_student_waits_for_ten_days_at_most(ann, mentor):
    MentorProfile.objects.filter(pk=mentor.pk).update(max_sessions_per_week=1)
    for week in range(3):
        AppointmentFactory(mentor=mentor, starts_at=TEN + week * 7 * DAY)
    days = [FRIDAY + dt.timedelta(days=week * 7 - after) for week in range(1, 3) for after in range(5)]
    for date in days:
        wait(mentor, ann, date)
    with pytest.raises(TooManyPlaces):
        wait(mentor, ann, FRIDAY)
    assert wait(mentor, ann, days[0]), "what one waits for already is no other place"


# --- A time frees up --------------------------------------------------------------------------------------------------


def test_the_first_in_line_gets_a_freed_time_held_and_is_told(ann, sam, mentor, full):
    first, second = wait(mentor, ann), wait(mentor, sam, now=NOW + MINUTE)
    cancel(full[1], now=NOW + HOUR)
    held = BusyTime.objects.get()
    assert (held.kind, held.student, held.starts_at, held.ends_at) == ("waiting", ann, TEN + HOUR, TEN + 2 * HOUR)
    assert held.expires_at == NOW + HOUR + QUARTER
    assert (fresh(first).status, first.offered_starts_at) == (Status.OFFERED, TEN + HOUR)
    assert fresh(second).status == Status.WAITING
    (notice,) = told(ann, Kind.WAITING_OFFER)
    assert "12:00" in notice.title, "the time on Ann's clock in Madrid"
    assert "02:15" not in notice.title
    assert "12:15" in notice.title, "and until when"
    assert "start=2027-01-15T11%3A00Z" in notice.url
    assert not told(sam, Kind.WAITING_OFFER)


def test_nobody_else_can_take_a_held_time(ann, sam, mentor, full):
    wait(mentor, ann)
    cancel(full[0])
    with pytest.raises(SlotTaken):
        book(mentor, rich(sam), TEN, now=NOW + MINUTE)


def test_whom_it_is_held_for_books_it_and_leaves_the_line(ann, mentor, full):
    entry = wait(mentor, ann)
    cancel(full[0])
    assert book(mentor, rich(ann), TEN, now=NOW + MINUTE)
    assert fresh(entry).status == Status.BOOKED
    assert not BusyTime.objects.exists()


def test_a_held_time_can_be_booked_where_the_day_allows_one_session(ann, sam, mentor):
    MentorProfile.objects.filter(pk=mentor.pk).update(max_sessions_per_day=1)
    session = book(mentor, rich(UserFactory()), TEN, now=NOW)
    wait(mentor, ann)
    cancel(session)
    calendar = availability.load_calendar(mentor.__class__.objects.get(pk=mentor.pk), now=NOW, student=sam)
    assert calendar.refusal(TEN + HOUR, duration_minutes=60) == Reason.day_limit, "the held time counts for others"
    assert book(MentorProfile.objects.get(pk=mentor.pk), rich(ann), TEN, now=NOW)


@pytest.mark.parametrize("many", [False, True])
def test_the_directory_shows_a_held_time_to_its_student_alone(ann, sam, mentor, full, monkeypatch, many):
    if many:
        monkeypatch.setattr(availability, "MANY", 1)
    replace_availability(mentor, weekly={FRIDAY.isoweekday(): [(600, 720)]}, now=NOW)
    wait(mentor, ann)
    cancel(full[0])
    profiles = MentorProfile.objects.filter(pk=mentor.pk)
    free = availability.FreeTimes()
    asked = {"profiles": profiles, "day": FRIDAY, "viewer_zone": "UTC", "now": NOW}
    assert free.free_on(**asked, viewer=ann) == [mentor.pk]
    assert free.free_on(**asked, viewer=sam) == []
    assert free.free_on(**asked) == []
    assert free.first_free(profiles, NOW, ann)[mentor.pk] == TEN
    assert free.first_free(profiles, NOW, sam)[mentor.pk] == TEN + 7 * DAY
    assert profiles.get().next_free_at == TEN + 7 * DAY, "nor is it noted as free for everybody"


def test_a_booking_elsewhere_notes_a_held_time_as_taken(ann, mentor, full):
    replace_availability(mentor, weekly={FRIDAY.isoweekday(): [(600, 720)]}, now=NOW)
    wait(mentor, ann)
    cancel(full[0])
    book(MentorProfile.objects.get(pk=mentor.pk), rich(ann), TEN + 7 * DAY, now=NOW)
    assert MentorProfile.objects.get(pk=mentor.pk).next_free_at == TEN + 7 * DAY + HOUR


def test_who_is_busy_then_is_passed_over_and_keeps_the_place(ann, sam, mentor, full):
    first, second = wait(mentor, ann), wait(mentor, sam, now=NOW + MINUTE)
    AppointmentFactory(student=ann, starts_at=TEN)
    cancel(full[0])
    assert (fresh(first).status, fresh(second).status) == (Status.WAITING, Status.OFFERED)
    cancel(full[1])
    assert fresh(first).status == Status.OFFERED
    assert first.offered_starts_at == TEN + HOUR


def test_who_mentors_then_is_passed_over(ann, mentor, full):
    profile = MentorProfileFactory(user=ann)
    entry = wait(mentor, ann)
    AppointmentFactory(mentor=profile, starts_at=TEN)
    cancel(full[0])
    assert fresh(entry).status == Status.WAITING


def test_who_was_deactivated_gets_nothing(ann, sam, mentor, full):
    wait(mentor, ann)
    second = wait(mentor, sam, now=NOW + MINUTE)
    ann.is_active = False
    ann.save()
    cancel(full[0])
    assert fresh(second).status == Status.OFFERED


def test_two_times_are_held_for_two_people(ann, sam, mentor, full):
    entries = [wait(mentor, ann), wait(mentor, sam, now=NOW + MINUTE)]
    cancel(full[0])
    cancel(full[1])
    assert [fresh(entry).offered_starts_at for entry in entries] == [TEN, TEN + HOUR]


def test_nobody_has_two_times_of_a_day_held(ann, mentor, full):
    wait(mentor, ann)
    shorter = wait(mentor, ann, minutes=30)
    cancel(full[0])
    cancel(full[1])
    assert fresh(shorter).status == Status.WAITING
    assert BusyTime.objects.count() == 1


def test_a_hold_ends_before_the_notice_makes_it_unbookable(ann, mentor, full):
    MentorProfile.objects.filter(pk=mentor.pk).update(minimum_notice_minutes=60)
    entry = wait(mentor, ann)
    cancel(full[0], now=TEN - 70 * MINUTE)
    assert fresh(entry).offered_until == TEN - HOUR
    assert book(MentorProfile.objects.get(pk=mentor.pk), rich(ann), TEN, now=TEN - HOUR - dt.timedelta(seconds=1))


def test_what_nobody_could_book_in_time_is_not_held(ann, mentor, full):
    MentorProfile.objects.filter(pk=mentor.pk).update(minimum_notice_minutes=60)
    entry = wait(mentor, ann)
    cancel(full[0], now=TEN - 63 * MINUTE)
    assert fresh(entry).status == Status.WAITING


def test_a_hold_keeps_the_buffers(ann, sam, mentor):
    MentorProfile.objects.filter(pk=mentor.pk).update(buffer_before_minutes=10, buffer_after_minutes=20)
    mentor = MentorProfile.objects.get(pk=mentor.pk)
    session = book(mentor, rich(UserFactory()), TEN, now=NOW)
    wait(mentor, ann)
    cancel(session)
    held = BusyTime.objects.get()
    assert (held.blocked_from, held.blocked_until) == (TEN - 10 * MINUTE, TEN + 80 * MINUTE)


@pytest.mark.parametrize("by", ["declined", "expired", "cancelled by the student"])
def test_whatever_frees_a_time_offers_it(ann, mentor, full, by):
    entry = wait(mentor, ann)
    if by == "declined":
        decline_appointment(full[0], by=mentor.user, now=NOW)
    elif by == "expired":
        Appointment.objects.filter(pk=full[0].pk).update(answer_by=NOW)
        expire_requests(now=NOW)
    else:
        cancel_appointment(full[0], by=full[0].student, now=NOW)
    assert fresh(entry).status == Status.OFFERED


def test_the_day_is_that_of_the_students_calendar(ann, mentor):
    """10 o'clock in UTC on Friday is 23 o'clock on Friday in Auckland, 11 o'clock the first hour of Saturday."""
    sessions = [book(mentor, rich(UserFactory()), TEN + number * HOUR, now=NOW) for number in range(2)]
    sessions += [book(mentor, rich(UserFactory()), NOW + HOUR, now=NOW)]
    entry = wait(mentor, ann, FRIDAY, zone="Pacific/Auckland")
    cancel(sessions[1])
    assert fresh(entry).status == Status.WAITING, "that is on Ann's Saturday"
    cancel(sessions[0])
    assert fresh(entry).offered_starts_at == TEN


# --- And when it is not used ------------------------------------------------------------------------------------------


def test_a_lapsed_hold_is_passed_on_and_both_are_told(ann, sam, mentor, full):
    first, second = wait(mentor, ann), wait(mentor, sam, now=NOW + MINUTE)
    cancel(full[0])
    assert pass_on_lapsed_holds(now=NOW + QUARTER - MINUTE) == 0
    assert pass_on_lapsed_holds(now=NOW + QUARTER, dry_run=True) == 1
    assert fresh(first).status == Status.OFFERED, "a dry run changes nothing"
    assert pass_on_lapsed_holds(now=NOW + QUARTER) == 1
    assert (fresh(first).status, fresh(second).status) == (Status.PASSED, Status.OFFERED)
    assert BusyTime.objects.get().student == sam
    assert len(told(ann, Kind.WAITING_OVER)) == 1
    assert len(told(sam, Kind.WAITING_OFFER)) == 1
    assert pass_on_lapsed_holds(now=NOW + QUARTER) == 0


def test_whoever_comes_before_the_job_does_not_jump_the_line(ann, sam, mentor, full):
    wait(mentor, ann)
    second = wait(mentor, sam, now=NOW + MINUTE)
    cancel(full[0])
    with pytest.raises(SlotTaken):
        book(mentor, rich(UserFactory()), TEN, now=NOW + QUARTER)
    assert fresh(second).status == Status.OFFERED


def test_after_the_last_in_line_the_time_is_everybodys(ann, sam, mentor, full):
    entry = wait(mentor, ann)
    cancel(full[0])
    assert book(mentor, rich(sam), TEN, now=NOW + QUARTER)
    assert fresh(entry).status == Status.PASSED


def test_the_next_in_line_gets_what_is_given_up(ann, sam, mentor, full):
    first, second = wait(mentor, ann), wait(mentor, sam, now=NOW + MINUTE)
    cancel(full[0])
    leave_waiting_list(first, by=ann, now=NOW)
    assert (fresh(first).status, fresh(second).status) == (Status.LEFT, Status.OFFERED)
    assert BusyTime.objects.get().student == sam


def test_the_next_in_line_gets_what_was_held_for_who_booked_another_time(ann, sam, mentor, full):
    first, second = wait(mentor, ann, minutes=30), wait(mentor, sam, minutes=30, now=NOW + MINUTE)
    cancel(full[0])
    assert fresh(first).offered_starts_at == TEN
    other = fresh(second)
    assert other.offered_starts_at == TEN + HOUR / 2
    cancel(full[1])
    book(mentor, rich(ann), TEN + HOUR, now=NOW)
    assert fresh(first).status == Status.BOOKED
    assert BusyTime.objects.get().student == sam


def test_leaving_twice_changes_nothing(ann, mentor, full):
    entry = wait(mentor, ann)
    assert leave_waiting_list(entry, by=ann, now=NOW).status == Status.LEFT
    assert leave_waiting_list(entry, by=ann, now=NOW).status == Status.LEFT
    assert wait(mentor, ann) != entry, "joining again starts at the end"


def test_nobody_gives_up_the_place_of_another(ann, sam, mentor, full):
    with pytest.raises(NotAllowed):
        leave_waiting_list(wait(mentor, ann), by=sam, now=NOW)


def test_a_booking_ends_the_wait_for_that_day_alone(ann, mentor, full):
    today = wait(mentor, ann)
    for number in range(2):
        book(mentor, rich(UserFactory()), TEN + DAY + number * HOUR, now=NOW)
    tomorrow = wait(mentor, ann, FRIDAY + DAY)
    cancel(full[0])
    book(mentor, rich(ann), TEN, now=NOW)
    assert (fresh(today).status, fresh(tomorrow).status) == (Status.BOOKED, Status.WAITING)


def test_the_job_ends_the_wait_for_a_day_that_is_over(ann, mentor, full):
    entry = wait(mentor, ann)
    assert pass_on_lapsed_holds(now=entry.until) == 1
    assert fresh(entry).status == Status.OVER
    assert not Notification.objects.filter(recipient=ann).exists(), "that the day is over everybody knows"


def test_the_job_finds_a_time_that_new_hours_freed(ann, mentor, full):
    entry = wait(mentor, ann)
    replace_availability(mentor, weekly={FRIDAY.isoweekday(): [(600, 780)]}, now=NOW)
    assert pass_on_lapsed_holds(now=NOW) == 1
    assert fresh(entry).offered_starts_at == TEN + 2 * HOUR


def test_the_job_finds_a_time_that_another_calendar_freed(ann, mentor):
    calendar = CalendarImport.objects.create(mentor=mentor, url="https://calendar.example.org/max.ics")
    busy = BusyTime.objects.create(
        kind="calendar",
        mentor=mentor,
        calendar=calendar,
        starts_at=TEN,
        ends_at=TEN + 2 * HOUR,
        blocked_from=TEN,
        blocked_until=TEN + 2 * HOUR,
    )
    entry = wait(mentor, ann)
    assert pass_on_lapsed_holds(now=NOW) == 0
    busy.delete()
    assert pass_on_lapsed_holds(now=NOW) == 1
    assert fresh(entry).status == Status.OFFERED


def test_a_mentor_who_went_away_offers_nothing(ann, mentor, full):
    entry = wait(mentor, ann)
    MentorProfile.objects.filter(pk=mentor.pk).update(status="away")
    cancel(full[0])
    assert pass_on_lapsed_holds(now=NOW) == 0
    assert fresh(entry).status == Status.WAITING
    MentorProfile.objects.filter(pk=mentor.pk).update(status="available")
    assert pass_on_lapsed_holds(now=NOW) == 1


def test_a_mentor_who_is_no_longer_approved_offers_nothing(ann, mentor, full):
    entry = wait(mentor, ann)
    MentorProfile.objects.filter(pk=mentor.pk).update(approval="declined")
    cancel(full[0])
    pass_on_lapsed_holds(now=NOW)
    assert fresh(entry).status == Status.WAITING


def test_the_job_asks_as_often_for_three_mentors_as_for_one(ann, mentor, full, django_assert_num_queries):
    wait(mentor, ann)
    with django_assert_num_queries(8):
        pass_on_lapsed_holds(now=NOW)
    for _ in range(2):
        other = works_every_day(MentorProfileFactory(timezone="UTC"), 600, 660)
        book(other, rich(UserFactory()), TEN, now=NOW)
        wait(other, ann)
    with django_assert_num_queries(8):
        pass_on_lapsed_holds(now=NOW)


def test_it_is_one_of_the_jobs():
    assert "pass_on_lapsed_holds" in [job.name for job in jobs.registered()]


def test_places_count_who_came_earlier_for_the_same_time(ann, sam, mentor, full):
    wait(mentor, sam)
    wait(mentor, UserFactory(), zone="Europe/Madrid", now=NOW + MINUTE)
    wait(mentor, ann, now=NOW + 2 * MINUTE)
    before = WaitingListEntry.objects.with_place().values_list("before", flat=True).order_by("created_at")
    assert list(before) == [0, 1, 2]


def test_entries_are_seen_by_their_student_alone(ann, sam, mentor, full):
    wait(mentor, ann)
    assert WaitingListEntry.objects.visible_to(ann).count() == 1
    assert not WaitingListEntry.objects.visible_to(sam).exists()


# --- Many in line -----------------------------------------------------------------------------------------------------


def test_a_long_line_is_asked_about_at_once(mentor, full):
    """Whoever is first may be busy themself; each more costs no query."""
    others = works_every_day(MentorProfileFactory(timezone="UTC"))
    people = [rich(UserFactory()) for _ in range(4)]
    entries = [wait(mentor, person) for person in people]
    for person in people[:3]:
        AppointmentFactory(student=person, mentor=MentorProfileFactory(), starts_at=TEN)
    AppointmentFactory(mentor=others, student=people[3], starts_at=TEN + 5 * HOUR)
    cancel(full[0])
    assert [fresh(entry).status for entry in entries] == [Status.WAITING] * 3 + [Status.OFFERED]


def test_busy_of_people_is_what_each_calendar_knows(ann, sam, mentor):
    """On either side, with held moves, without what a waiting list holds for them."""
    own = works_every_day(MentorProfileFactory(user=ann, timezone="UTC"))
    AppointmentFactory(mentor=own, starts_at=TEN, blocked_until=TEN + 2 * HOUR)
    AppointmentFactory(student=ann, starts_at=TEN + 3 * HOUR)
    AppointmentFactory(student=sam, starts_at=TEN + 4 * HOUR)
    BusyTimeFactory(entry__student=sam, entry__mentor=mentor)
    BusyTimeFactory(entry__mentor=own)
    span = {"since": TEN - DAY, "until": TEN + DAY, "now": NOW}
    busy = availability.busy_of_people([ann, sam], **span)
    for person in (ann, sam):
        person = User.objects.get(pk=person.pk)
        calendar = availability.load_calendar(mentor, student=person, **span)
        assert sorted(busy[person.pk]) == sorted(calendar.student_busy)
    assert len(busy[sam.pk]) == 1
