import datetime as dt
import threading

import pytest
from django.db import connection, transaction

from accounts.tests.factories import UserFactory
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory
from feedback import actions
from feedback.actions import (
    AlreadyReviewed,
    NotHeld,
    NotOver,
    ReasonMissing,
    ReviewFinal,
    ReviewSeen,
    edit_review,
    hide_review,
    publish_due_reviews,
    unhide_review,
    write_review,
)
from feedback.models import Review, sessions_to_review
from feedback.tests.factories import ReviewFactory, held
from mentorbook import jobs
from mentorbook.errors import NotAllowed
from mentors.models import MentorProfile
from notifications.models import Kind, Notification

NOW = dt.datetime(2027, 1, 15, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture
def session(mentor, ann):
    return held(mentor, ann)


def figures(mentor):
    mentor.refresh_from_db()
    return mentor.rating_count, mentor.rating_sum


# --- Writing ----------------------------------------------------------------------------------------------------------


def test_the_first_review_waits_two_weeks(session, ann, max, settings):
    settings.REVIEWS_SHOWN_AFTER_DAYS = 10
    review = write_review(session, author=ann, rating=4, comment="Clear.", now=NOW)
    assert (review.recipient, review.about, review.rating, review.comment) == (max, "mentor", 4, "Clear.")
    assert review.shown_at == NOW + 10 * DAY
    assert not review.is_shown(NOW)
    assert figures(session.mentor) == (0, 0)


def test_the_second_review_shows_both_at_once(session, ann, max):
    first = write_review(session, author=max, rating=2, now=NOW)
    second = write_review(session, author=ann, rating=4, now=NOW + DAY)
    first.refresh_from_db()
    assert first.shown_at == second.shown_at == NOW + DAY
    assert first.published_at == second.published_at == NOW + DAY
    assert (first.about, first.recipient) == ("student", ann)
    assert figures(session.mentor) == (1, 4)


def test_a_review_after_the_other_was_shown_would_be_an_answer_to_it(session, ann, max):
    write_review(session, author=max, rating=1, now=NOW)
    with pytest.raises(ReviewSeen):
        write_review(session, author=ann, rating=1, now=NOW + 14 * DAY)
    assert write_review(session, author=ann, rating=5, now=NOW + 14 * DAY - dt.timedelta(seconds=1))


def test_a_review_that_staff_hid_before_it_was_shown_does_not_close_the_session(session, ann, max, ada):
    hide_review(write_review(session, author=max, rating=1, now=NOW), by=ada, reason="Insults", now=NOW)
    assert write_review(session, author=ann, rating=5, now=NOW + 20 * DAY).is_shown(NOW + 20 * DAY)


def test_one_person_reviews_a_session_once(session, ann):
    write_review(session, author=ann, rating=4, now=NOW)
    with pytest.raises(AlreadyReviewed):
        write_review(session, author=ann, rating=5, now=NOW)
    assert Review.objects.get().rating == 4


def test_another_session_of_the_same_two_takes_reviews_of_its_own(session, mentor, ann):
    write_review(session, author=ann, rating=4, now=NOW)
    assert write_review(held(mentor, ann, number=1), author=ann, rating=5, now=NOW + DAY)


@pytest.mark.parametrize("person", ["sam", "ada"])
def test_only_the_two_people_of_a_session_review_it(session, person, request):
    with pytest.raises(NotAllowed):
        write_review(session, author=request.getfixturevalue(person), rating=5, now=NOW)


@pytest.mark.parametrize(
    ("status", "refusal"),
    [
        ("requested", NotOver),
        ("confirmed", NotOver),
        ("disputed", NotOver),
        ("declined", NotHeld),
        ("expired", NotHeld),
        ("cancelled", NotHeld),
        ("no_show", NotHeld),
    ],
)
def test_only_a_completed_session_is_reviewed(mentor, ann, max, status, refusal):
    session = AppointmentFactory(mentor=mentor, student=ann, status=status)
    for author in (ann, max):
        with pytest.raises(refusal):
            write_review(session, author=author, rating=5, now=NOW)


def test_the_state_of_the_database_counts_and_not_that_of_the_object_at_hand(session, ann):
    Appointment.objects.filter(pk=session.pk).update(status="disputed")
    with pytest.raises(NotOver):
        write_review(session, author=ann, rating=5, now=NOW)


# --- Telling ----------------------------------------------------------------------------------------------------------


def told(person):
    return list(Notification.objects.filter(recipient=person, kind=Kind.REVIEW_RECEIVED).order_by("id"))


def test_the_recipient_is_told_of_a_review_and_not_of_what_it_says(session, ann, max):
    write_review(session, author=ann, rating=1, comment="Awful & late", now=NOW)
    [notification] = told(max)
    assert notification.title == "Ann Archer has reviewed your session"
    assert "“Help with Django forms”, Fri 15 Jan, 11:00 (Europe/Berlin)" in notification.body
    assert "Write yours to read both at once. Otherwise this one is shown on Fri 29 Jan" in notification.body
    assert "Awful" not in notification.body + notification.email.body
    assert told(ann) == []


def test_the_first_to_write_is_told_when_both_are_shown(session, ann, max):
    write_review(session, author=ann, rating=1, now=NOW)
    write_review(session, author=max, rating=5, now=NOW + DAY)
    [notification] = told(ann)
    assert notification.title == "Max Meyer has reviewed your session too"
    assert "Both reviews can be read now." in notification.body
    assert len(told(max)) == 1


def test_nobody_is_told_twice(session, ann, max):
    write_review(session, author=ann, rating=1, now=NOW)
    publish_due_reviews(now=NOW + 14 * DAY)
    publish_due_reviews(now=NOW + 15 * DAY)
    assert len(told(max)) == 1


# --- Changing ---------------------------------------------------------------------------------------------------------


def test_a_review_can_be_changed_for_two_days(session, ann):
    review = write_review(session, author=ann, rating=1, now=NOW)
    changed = edit_review(
        review, by=ann, rating=3, comment="On second thought", now=NOW + 2 * DAY - dt.timedelta(seconds=1)
    )
    assert (changed.rating, changed.comment, changed.edited_at) == (3, "On second thought", changed.edited_at)
    assert changed.shown_at == review.shown_at
    with pytest.raises(ReviewFinal):
        edit_review(review, by=ann, rating=5, now=NOW + 2 * DAY)


def test_a_review_that_is_shown_cannot_be_changed(session, ann, max):
    review = write_review(session, author=ann, rating=1, now=NOW)
    write_review(session, author=max, rating=5, now=NOW)
    with pytest.raises(ReviewFinal):
        edit_review(review, by=ann, rating=5, now=NOW)


def test_only_the_author_changes_a_review(session, ann, max, ada):
    review = write_review(session, author=ann, rating=1, now=NOW)
    for other in (max, ada):
        with pytest.raises(NotAllowed):
            edit_review(review, by=other, rating=5, now=NOW)


def test_a_review_that_was_changed_counts_as_it_is_then(session, ann, max):
    review = write_review(session, author=ann, rating=1, now=NOW)
    edit_review(review, by=ann, rating=3, now=NOW)
    write_review(session, author=max, rating=5, now=NOW)
    assert figures(session.mentor) == (1, 3)


# --- Showing after two weeks ------------------------------------------------------------------------------------------


def test_reviews_count_when_their_waiting_time_has_passed(session, ann, mentor):
    write_review(session, author=ann, rating=4, now=NOW)
    other = ReviewFactory(waiting=True)
    assert publish_due_reviews(now=NOW + 13 * DAY) == 0
    assert figures(mentor) == (0, 0)
    assert publish_due_reviews(now=NOW + 15 * DAY, dry_run=True) == 2
    assert figures(mentor) == (0, 0)
    assert publish_due_reviews(now=NOW + 15 * DAY) == 2
    assert figures(mentor) == (1, 4)
    assert figures(other.recipient.mentor_profile) == (1, 5)
    assert publish_due_reviews(now=NOW + 15 * DAY) == 0


def test_what_mentors_say_of_students_counts_in_no_rating(session, max, mentor):
    write_review(session, author=max, rating=1, now=NOW)
    publish_due_reviews(now=NOW + 15 * DAY)
    assert figures(mentor) == (0, 0)


def test_what_somebody_wrote_as_a_student_does_not_count_for_them_as_a_mentor(mentor, max):
    session = held(ReviewFactory().appointment.mentor, max, number=3)
    write_review(session, author=session.mentor.user, rating=1, now=NOW + 4 * DAY)
    write_review(session, author=max, rating=2, now=NOW + 4 * DAY)
    assert figures(mentor) == (0, 0)


def test_publishing_is_a_periodic_job():
    assert "publish_reviews" in [job.name for job in jobs.registered()]


# --- Hiding -----------------------------------------------------------------------------------------------------------


def test_a_hidden_review_counts_no_more_and_a_shown_one_again(session, ann, max, ada, mentor, caplog):
    review = write_review(session, author=ann, rating=1, now=NOW)
    write_review(session, author=max, rating=5, now=NOW)
    with caplog.at_level("INFO"):
        hidden = hide_review(review, by=ada, reason="Insults", now=NOW)
    assert (hidden.hidden_at, hidden.hidden_by, hidden.hidden_reason) == (NOW, ada, "Insults")
    assert "Insults" in caplog.text
    assert figures(mentor) == (0, 0)
    assert not Review.objects.shown(NOW).of_mentors().exists()

    again = hide_review(review, by=ada, reason="Other", now=NOW + DAY)
    assert (again.hidden_at, again.hidden_reason) == (NOW, "Insults")

    shown = unhide_review(review, by=ada, now=NOW + DAY)
    assert (shown.hidden_at, shown.hidden_by, shown.hidden_reason) == (None, None, "")
    assert figures(mentor) == (1, 1)
    assert unhide_review(review, by=ada, now=NOW + DAY).hidden_at is None


def test_a_review_that_was_hidden_while_it_waited_does_not_count_afterwards(session, ann, ada, mentor):
    review = write_review(session, author=ann, rating=1, now=NOW)
    hide_review(review, by=ada, reason="Insults", now=NOW)
    publish_due_reviews(now=NOW + 15 * DAY)
    assert figures(mentor) == (0, 0)
    unhide_review(review, by=ada, now=NOW + 16 * DAY)
    assert figures(mentor) == (1, 1)


def test_only_staff_hide_and_they_say_why(session, ann, max, ada):
    review = write_review(session, author=ann, rating=1, now=NOW)
    for person in (ann, max):
        with pytest.raises(NotAllowed):
            hide_review(review, by=person, reason="I do not like it", now=NOW)
        with pytest.raises(NotAllowed):
            unhide_review(review, by=person, now=NOW)
    with pytest.raises(ReasonMissing):
        hide_review(review, by=ada, reason="  ", now=NOW)


# --- Order ------------------------------------------------------------------------------------------------------------


def test_one_five_star_review_does_not_beat_forty(mentor, ann, max):
    newcomer = held(mentor, ann)
    write_review(newcomer, author=ann, rating=5, now=NOW)
    write_review(newcomer, author=max, rating=5, now=NOW)

    proven = ReviewFactory(rating=4, created_at=NOW, waiting=True).appointment.mentor
    for number in range(1, 40):
        ReviewFactory(appointment=held(proven, ann, number=number + 30), rating=5, created_at=NOW, waiting=True)
    publish_due_reviews(now=NOW + 15 * DAY)

    mentor.refresh_from_db()
    proven.refresh_from_db()
    assert mentor.rating == 5.0
    assert proven.rating == pytest.approx(4.975)
    assert MentorProfile.objects.order_by("-rating_rank").first() == proven


# --- Asking -----------------------------------------------------------------------------------------------------------


def test_sessions_wait_for_a_review_until_it_is_written_or_too_late(session, ann, max, sam):
    assert list(sessions_to_review(ann, NOW)) == list(sessions_to_review(max, NOW)) == [session]
    assert list(sessions_to_review(sam, NOW)) == []
    write_review(session, author=max, rating=3, now=NOW)
    assert list(sessions_to_review(max, NOW)) == []
    assert list(sessions_to_review(ann, NOW + 13 * DAY)) == [session]
    assert list(sessions_to_review(ann, NOW + 14 * DAY)) == []


def test_sessions_of_long_ago_are_not_asked_about(session, ann):
    assert list(sessions_to_review(ann, NOW + 31 * DAY)) == []


# --- At the same moment -----------------------------------------------------------------------------------------------


def at_once(*works):
    """Run `works` in threads of their own; what they raised."""
    start, raised = threading.Barrier(len(works)), []

    def run(work):
        try:
            start.wait()
            work()
        except Exception as error:
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=[work]) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def both_write(session, ann, max):
    return at_once(
        lambda: write_review(session, author=ann, rating=4, now=NOW),
        lambda: write_review(session, author=max, rating=5, now=NOW),
    )


ROUNDS = 20


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_both_who_write_at_the_same_moment_see_both(mentor, ann, max):
    sessions = [held(mentor, ann, number=number) for number in range(ROUNDS)]
    for session in sessions:
        assert both_write(session, ann, max) == []
        assert session.reviews.shown(NOW).count() == 2
    assert figures(mentor) == (ROUNDS, 4 * ROUNDS)


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_without_the_lock_both_would_wait_for_each_other(mentor, ann, max, monkeypatch):
    """The negative control of the test above. SQLite has one writer at a time, so there is nothing to take away."""
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer at a time")

    def only_look(appointment):
        return Appointment.objects.select_related("mentor__user", "student").get(pk=appointment.pk), []

    monkeypatch.setattr(actions, "lock_appointment", only_look)
    shown = []
    for number in range(ROUNDS):
        session = held(mentor, ann, number=number)
        both_write(session, ann, max)
        shown.append(session.reviews.shown(NOW).count())
    assert 0 in shown


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_the_same_review_sent_many_times_at_once_is_kept_once(mentor, ann):
    session = held(mentor, ann)
    raised = at_once(*[lambda: write_review(session, author=ann, rating=4, now=NOW)] * 8)
    assert [type(error) for error in raised] == [AlreadyReviewed] * 7
    assert Review.objects.count() == 1


@pytest.mark.race
@pytest.mark.django_db(transaction=True)
def test_the_rating_is_right_when_reviews_are_hidden_and_published_at_once(mentor, ann, ada):
    reviews = [
        ReviewFactory(appointment=held(mentor, UserFactory(), number=number), waiting=number % 2 == 0, created_at=NOW)
        for number in range(10)
    ]
    later = NOW + 15 * DAY
    raised = at_once(
        *[lambda review=review: hide_review(review, by=ada, reason="Spam", now=later) for review in reviews[:4]],
        lambda: publish_due_reviews(now=later),
        lambda: publish_due_reviews(now=later),
    )
    assert raised == []
    assert figures(mentor) == (6, 30)


def test_a_review_that_fails_leaves_nothing(session, ann):
    with transaction.atomic():
        write_review(session, author=ann, rating=5, now=NOW)
        transaction.set_rollback(True)
    assert not Review.objects.exists()
    assert not Notification.objects.exists()
