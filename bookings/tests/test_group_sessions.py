"""A session for a project group: who sees it, who is told, whose points pay and where they go back to."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Membership, User
from accounts.tests.factories import UserFactory
from accounts.tests.group_factories import make_group
from bookings.actions import (
    GroupDoesNotPay,
    MentorInGroup,
    NotInGroup,
    NotYourTicket,
    PayFrom,
    cancel_appointment,
    confirm_appointment,
    decline_appointment,
    expire_requests,
)
from bookings.clashes import clashes
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory, book, book_confirmed, rich, works_every_day
from mentorbook.errors import NotAllowed
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Notification, OutgoingEmail
from tickets.tests.factories import TicketFactory
from wallets import ledger
from wallets.actions import NotEnoughPoints, contribute_points, wallet_of, wallet_of_group

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
NOW = TEN - 3 * DAY
Status = Appointment.Status


@pytest.fixture
def mentor(mentor):
    return works_every_day(mentor)


@pytest.fixture
def ann(ann):
    return rich(ann, 200)


@pytest.fixture
def sam(sam):
    return rich(sam, 100)


@pytest.fixture
def group(ann, sam):
    """Ann owns Compilers, Sam belongs to it, and 100 points are in its wallet."""
    group = make_group(ann, sam, name="Compilers 🐌")
    contribute_points(group, by=ann, points=100)
    Notification.objects.all().delete()
    return group


@pytest.fixture(autouse=True)
def _books_are_right(db):
    yield
    assert list(ledger.problems()) == []


def points(owner):
    return (wallet_of_group(owner) if hasattr(owner, "owner") else wallet_of(owner)).balance_points


def told(person):
    return list(Notification.objects.filter(recipient=person).order_by("id").values_list("kind", flat=True))


def words(person):
    last = Notification.objects.filter(recipient=person).latest("id")
    return f"{last.title}\n{last.body}"


# --- Booking ----------------------------------------------------------------------------------------------------------


def test_a_session_of_a_group_is_paid_from_its_wallet_and_told_to_everybody(ann, sam, group, mentor, max):
    appointment = book(mentor, ann, TEN, group=group, pay_from=PayFrom.GROUP, now=NOW)
    appointment.escrow.refresh_from_db()
    assert (points(group), points(ann), appointment.escrow.balance_points) == (50, 100, 50)
    assert (told(max), told(sam), told(ann)) == (["appointment_requested"], ["appointment_requested"], [])
    assert words(max).startswith("Ann Archer asks for a session for the group Compilers 🐌: Help with Django forms")
    assert words(sam).startswith("Ann Archer asked Max Meyer for a session for Compilers 🐌: Help with Django forms")
    assert "Max Meyer has until" in words(sam)
    assert "is yours" not in words(sam)
    confirm_appointment(appointment, by=max, now=NOW)
    assert words(sam).startswith("Max Meyer has confirmed a session for Compilers 🐌")
    assert words(ann).startswith("Max Meyer has confirmed your session")


def test_what_is_booked_at_once_is_told_to_each_in_their_words(ann, sam, group, mentor, max):
    mentor.confirms_automatically = True
    mentor.save()
    book(mentor, sam, TEN, group=group, now=NOW)
    assert points(sam) == 50
    assert words(max).startswith("Sam Stone booked a session for the group Compilers 🐌")
    assert words(ann).startswith("Sam Stone booked a session with Max Meyer for Compilers 🐌")
    assert words(sam).startswith("Max Meyer has confirmed your session")
    assert OutgoingEmail.objects.filter(to=sam.email, attachment_type__startswith="text/calendar").exists()


def test_every_member_sees_it_and_nobody_else(ann, sam, group, mentor, client):
    appointment = book(mentor, ann, TEN, group=group, now=NOW)
    outsider = MentorProfileFactory().user
    for person, status in ((ann, 200), (sam, 200), (mentor.user, 200), (outsider, 404)):
        client.force_login(person)
        assert client.get(appointment.get_absolute_url()).status_code == status
        listed = "Help with Django forms" in client.get(reverse("bookings:list")).content.decode()
        assert listed == (status == 200)


def test_a_member_may_look_and_change_nothing(ann, sam, group, mentor, client):
    appointment = book_confirmed(mentor, ann, TEN, group=group, now=NOW)
    client.force_login(sam)
    page = client.get(appointment.get_absolute_url()).content.decode()
    assert "Ann booked it." in page
    assert reverse("bookings:cancel", args=[appointment.pk]) not in page
    assert client.get(reverse("bookings:cancel", args=[appointment.pk])).status_code == 403
    with pytest.raises(NotAllowed):
        cancel_appointment(appointment, by=sam, now=NOW)


def test_who_left_the_group_sees_it_no_more(ann, sam, group, mentor):
    appointment = book(mentor, ann, TEN, group=group, now=NOW)
    Membership.objects.filter(user=sam).delete()
    sam.__dict__.pop("group_ids", None)
    assert not Appointment.objects.visible_to(sam).filter(pk=appointment.pk).exists()


def test_who_does_not_belong_to_the_group_cannot_book_for_it(group, mentor):
    stranger = rich(MentorProfileFactory().user)
    with pytest.raises(NotInGroup):
        book(mentor, stranger, TEN, group=group, now=NOW)
    with pytest.raises(NotInGroup):
        book(mentor, stranger, TEN, pay_from=PayFrom.GROUP, now=NOW)
    assert not Appointment.objects.exists()


def test_a_dissolved_group_books_nothing(ann, group, mentor):
    group.dissolved_at = NOW
    group.save()
    with pytest.raises(NotInGroup):
        book(mentor, ann, TEN, group=group, now=NOW)


def test_a_mentor_is_not_booked_by_a_group_of_theirs(ann, group, mentor, max):
    Membership.objects.create(group=group, user=max)
    with pytest.raises(MentorInGroup):
        book(mentor, ann, TEN, group=group, now=NOW)


def test_members_pay_from_the_group_only_where_the_group_says_so(sam, group, mentor):
    with pytest.raises(GroupDoesNotPay):
        book(mentor, sam, TEN, group=group, pay_from=PayFrom.GROUP, now=NOW)
    assert points(group) == 100
    group.members_may_pay = True
    group.save()
    book(mentor, sam, TEN, group=group, pay_from=PayFrom.GROUP, now=NOW)
    assert (points(group), points(sam)) == (50, 100)


def test_a_group_does_not_spend_more_than_it_has(ann, group, mentor):
    for hour in (0, 1):
        book(mentor, ann, TEN + hour * HOUR, group=group, pay_from=PayFrom.GROUP, now=NOW)
    with pytest.raises(NotEnoughPoints) as refused:
        book(mentor, ann, TEN + 2 * HOUR, group=group, pay_from=PayFrom.GROUP, now=NOW)
    assert refused.value.missing_points == 50
    assert points(ann) == 100


def test_only_ones_own_question_is_booked_about(ann, sam, mentor):
    ticket = TicketFactory(student=sam)
    with pytest.raises(NotYourTicket):
        book(mentor, ann, TEN, ticket=ticket, now=NOW)
    assert book(mentor, sam, TEN, ticket=ticket, now=NOW).ticket == ticket


# --- Where the points go back to --------------------------------------------------------------------------------------


def test_a_declined_request_goes_back_to_the_groups_wallet(ann, sam, group, mentor, max):
    appointment = book(mentor, ann, TEN, group=group, pay_from=PayFrom.GROUP, now=NOW)
    decline_appointment(appointment, by=max, now=NOW)
    assert (points(group), points(ann)) == (100, 100)
    for person in (ann, sam):
        assert words(person).startswith("Max Meyer has declined the request of Compilers 🐌")
        assert "50 points are back in the wallet of Compilers 🐌." in words(person)


def test_an_expired_request_goes_back_to_whoever_paid(ann, sam, group, mentor):
    book(mentor, sam, TEN, group=group, now=NOW)
    expire_requests(now=TEN)
    assert (points(group), points(sam)) == (100, 100)
    assert "50 points are back in your wallet." in words(sam)
    assert "50 points are back in the wallet of Sam Stone." in words(ann)


def test_the_owner_may_cancel_what_a_member_booked_and_the_member_has_the_points_back(ann, sam, group, mentor, client):
    appointment = book_confirmed(mentor, sam, TEN, group=group, now=NOW)
    client.force_login(ann)
    cancel_appointment(appointment, by=ann, now=NOW)
    assert (points(sam), points(group)) == (100, 100)
    assert words(sam).startswith("Ann Archer has cancelled the session")
    assert "back in your wallet" in words(sam)


def test_cancelling_late_pays_the_mentor_and_returns_the_rest_to_the_group(ann, sam, group, mentor, max):
    appointment = book_confirmed(mentor, ann, TEN, group=group, pay_from=PayFrom.GROUP, now=NOW)
    cancel_appointment(appointment, by=ann, now=TEN - HOUR)
    assert (points(group), points(max), points(ann)) == (75, 25, 100)
    assert "25 points are back in the wallet of Compilers 🐌." in words(sam)


def test_the_page_says_where_the_points_go_back_to(ann, sam, group, mentor, client, time_machine):
    time_machine.move_to(NOW, tick=False)
    appointment = book_confirmed(mentor, ann, TEN, group=group, pay_from=PayFrom.GROUP, now=NOW)
    client.force_login(ann)
    assert "to the wallet of Compilers 🐌" in page_words(client, appointment.get_absolute_url())
    cancel = reverse("bookings:cancel", args=[appointment.pk])
    assert "50 points go back to the wallet of Compilers 🐌." in page_words(client, cancel)
    client.post(cancel)
    assert "50 points went back to the wallet of Compilers 🐌." in page_words(client, appointment.get_absolute_url())


def page_words(client, address):
    return " ".join(client.get(address).content.decode().split())


def test_the_mentor_sees_the_group_and_its_members(ann, sam, group, mentor, max, client, time_machine):
    time_machine.move_to(NOW, tick=False)
    appointment = book(mentor, ann, TEN, group=group, now=NOW)
    client.force_login(max)
    page = page_words(client, appointment.get_absolute_url())
    assert "The group Compilers 🐌 waits for your answer until" in page
    assert "Sam Stone, Ann Archer" in page
    assert group.get_absolute_url() not in page  # it is not his
    assert "You mentor the group Compilers 🐌, Ann Archer booked" in page_words(client, reverse("bookings:list"))


def test_lists_ask_as_often_for_three_sessions_of_groups_as_for_one(ann, sam, group, mentor, client, time_machine):
    time_machine.move_to(NOW, tick=False)
    client.force_login(sam)
    rich(ann, 100)

    def count():
        with CaptureQueriesContext(connection) as captured:
            client.get(reverse("bookings:list"))
        return len(captured)

    book(mentor, ann, TEN, group=group, now=NOW)
    client.get(reverse("bookings:list"))
    one = count()
    for hour in (1, 2):
        other = make_group(ann, sam)
        book(mentor, ann, TEN + hour * HOUR, group=other, now=NOW, title=f"Session {hour}")
    assert count() == one


# --- Who is elsewhere -------------------------------------------------------------------------------------------------


def test_other_sessions_of_members_are_found_on_either_side_and_in_other_groups(ann, sam, group, mentor):
    sams_profile = MentorProfileFactory(user=sam)
    as_student = AppointmentFactory(student=sam, starts_at=TEN - HOUR / 2)
    as_mentor = AppointmentFactory(mentor=sams_profile, starts_at=TEN + HOUR / 2)
    other = make_group(UserFactory(), ann)
    of_other_group = AppointmentFactory(group=other, student=other.owner, starts_at=TEN)
    AppointmentFactory(student=sam, starts_at=TEN + 2 * HOUR)
    AppointmentFactory(student=sam, starts_at=TEN - 2 * HOUR, status=Status.CANCELLED)

    found = clashes(group, [(TEN, TEN + HOUR)], booked_by=ann, now=NOW)

    assert [(clash.person, clash.starts_at) for clash in found] == [
        (sam, as_student.starts_at),
        (ann, of_other_group.starts_at),
        (sam, as_mentor.starts_at),
    ]


def test_clashes_take_three_questions_for_any_number(ann, sam, group, django_assert_num_queries):
    for hour in range(3):
        AppointmentFactory(student=sam, starts_at=TEN + hour * HOUR)
    with django_assert_num_queries(3):
        assert len(clashes(group, [(TEN, TEN + 3 * HOUR)], booked_by=ann, now=NOW)) == 3


# --- Who speaks for the group -----------------------------------------------------------------------------------------


def test_a_mentor_who_came_to_own_the_group_is_its_mentor_still(ann, mentor, group):
    session = book_confirmed(mentor, ann, TEN, group=group, now=NOW)
    Membership.objects.create(group=group, user=mentor.user)
    group.owner = mentor.user
    group.save()
    late = session.cancel_free_until + HOUR
    session = Appointment.objects.with_people().get(pk=session.pk)
    assert not session.is_represented_by(mentor.user)
    assert session.refund_if_cancelled(mentor.user, late) == session.price_points
    cancel_appointment(session, by=mentor.user, now=late)
    assert wallet_of(ann).balance_points == 100


@pytest.mark.parametrize(("pay_from", "speaks"), [(PayFrom.GROUP, False), (PayFrom.WALLET, True)])
def test_who_has_left_speaks_for_their_own_points_only(ann, sam, mentor, group, pay_from, speaks):
    group.members_may_pay = True
    group.save()
    session = book_confirmed(mentor, sam, TEN, group=group, pay_from=pay_from, now=NOW)
    Membership.objects.filter(group=group, user=sam).delete()
    left = User.objects.get(pk=sam.pk)
    session = Appointment.objects.with_people().get(pk=session.pk)
    assert session.is_represented_by(left) is speaks
    assert (left in session.student_side()) is speaks
    assert session.is_represented_by(ann)
    if not speaks:
        with pytest.raises(NotAllowed):
            cancel_appointment(session, by=left, now=NOW)
