"""The booking page: for a group, from its wallet, about a question, week after week."""

import datetime as dt
import re
from urllib.parse import quote

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.models import Membership
from accounts.tests.factories import UserFactory
from accounts.tests.group_factories import make_group
from bookings.models import Appointment, AppointmentSeries
from bookings.tests.factories import AppointmentFactory, works_every_day
from mentors.models import MentorProfile
from tickets.models import Ticket
from tickets.tests.factories import TicketFactory
from wallets.actions import contribute_points, grant_points, wallet_of, wallet_of_group

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)  # Monday, 9:00 in Berlin and Madrid
TUESDAY_10 = "2027-01-12T09:00Z"  # 10:00 in Berlin and Madrid
TUESDAY = dt.datetime(2027, 1, 12, 9, tzinfo=dt.UTC)
WEEK = dt.timedelta(days=7)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def monday_morning(time_machine):
    time_machine.move_to(NOW, tick=False)


@pytest.fixture
def mentor(mentor):
    mentor.session_minutes = [30, 60]
    mentor.booking_horizon_days = 60
    mentor.save()
    return works_every_day(mentor)


@pytest.fixture
def ann(ann):
    grant_points(ann, points=220)
    return ann


@pytest.fixture
def as_ann(client, ann):
    client.force_login(ann)
    return client


@pytest.fixture
def group(ann, sam):
    group = make_group(ann, sam, name="Compilers 🐌")
    contribute_points(group, by=ann, points=120)
    return group


def page(mentor, query=""):
    return reverse("bookings:choose", args=[mentor.pk]) + query


def booking(**changes):
    return {
        "starts_at": TUESDAY_10,
        "duration_minutes": 60,
        "title": "Slow query 🐌",
        "description": "It takes a minute.",
        "idempotency_key": "key-1",
        **changes,
    }


def html(response):
    return re.sub(r"\s+", " ", response.content.decode())


# --- For whom and from which wallet -----------------------------------------------------------------------------------


def test_who_belongs_to_no_group_is_not_asked_for_whom(as_ann, mentor):
    text = html(as_ann.get(page(mentor, f"?start={TUESDAY_10}")))
    assert 'name="group"' not in text
    assert 'name="pay_from"' not in text


def test_a_group_can_be_preselected_and_pays_where_it_can(as_ann, mentor, group):
    text = html(as_ann.get(page(mentor, f"?start={TUESDAY_10}&group={group.pk}")))
    assert f'<option value="{group.pk}" selected>Compilers 🐌</option>' in text
    assert "Compilers 🐌: 120 points" in text
    assert "my wallet: 100 points" in text
    assert "Then Compilers 🐌 has" in text
    assert 'points-number">70<' in text


def test_the_choice_stays_in_every_link_of_the_page(as_ann, mentor, group):
    ticket = TicketFactory(student=group.owner)
    query = f"?start={TUESDAY_10}&group={group.pk}&pay_from=wallet&weeks=3&ticket={ticket.pk}"
    response = as_ann.get(page(mentor, query))
    timetable = response.context["timetable"]
    addresses = [timetable.next_address, timetable.form_address, *(length.address for length in timetable.lengths)]
    addresses += re.findall(r'href="(\?[^"#]+)#book"', response.content.decode())
    assert len(addresses) > 10
    for address in addresses:
        for part in (f"group={group.pk}", "pay_from=wallet", "weeks=3", f"ticket={ticket.pk}"):
            assert part in address
    for name in ("group", "pay_from", "weeks", "ticket"):
        assert re.search(rf'form="zone-form"\s+name="{name}"', response.content.decode())


def test_booking_for_the_group_takes_its_points(as_ann, ann, mentor, group):
    shown = {"group": group.pk, "pay_from": "group", "weeks": 1, "shown": f"{group.pk}|group|1"}
    response = as_ann.post(page(mentor), booking(**shown))
    appointment = Appointment.objects.get()
    assert response.url == appointment.get_absolute_url()
    assert appointment.group == group
    assert (wallet_of_group(group).balance_points, wallet_of(ann).balance_points) == (70, 100)


@pytest.mark.parametrize(
    "chosen", [{"weeks": 2}, {"group": "own"}, {"group": "own", "pay_from": "group"}, {"group": "own", "weeks": 2}]
)
def test_what_the_page_did_not_show_is_shown_before_it_is_booked(as_ann, mentor, group, chosen):
    """Without scripts the button still says what it said before something else was chosen."""
    if "group" in chosen:
        chosen = {**chosen, "group": group.pk}
    first = as_ann.post(page(mentor, f"?start={TUESDAY_10}"), booking(**chosen, shown="|wallet|1"))
    assert first.status_code == 200
    assert not Appointment.objects.exists()
    assert "Nothing is booked yet." in html(first)
    assert 'value="Slow query 🐌"' in html(first)
    shown = re.search(r'name="shown"\s+value="([^"]+)"', first.content.decode())[1]
    again = dict(zip(("group", "pay_from", "weeks"), shown.split("|"), strict=True))
    assert as_ann.post(page(mentor, f"?start={TUESDAY_10}"), booking(**again, shown=shown)).status_code == 302


def test_the_page_shows_what_was_chosen_and_puts_it_into_the_address(as_ann, mentor, group):
    address = page(mentor, f"?start={TUESDAY_10}")
    response = as_ann.post(address, booking(group=group.pk, weeks=2, show="1"), headers={"HX-Request": "true"})
    assert response.status_code == 200
    assert f"group={group.pk}" in response["HX-Push-Url"]
    assert "weeks=2" in response["HX-Push-Url"]
    assert quote(TUESDAY_10, safe="") in response["HX-Push-Url"]
    assert "Request 2 sessions for 100 points" in html(response)
    assert not Appointment.objects.exists()


@pytest.mark.parametrize("asked", ["group=99999", "group=x", "weeks=13", "weeks=1e9", "pay_from=bank", "ticket=0"])
def test_a_choice_that_makes_no_sense_is_named_and_books_nothing(as_ann, mentor, asked):
    response = as_ann.get(page(mentor, f"?start={TUESDAY_10}&{asked}"))
    assert response.status_code == 200
    assert len(response.context["query"].notes) == 1
    name, value = asked.split("=")
    sent = booking(**{name: value}) if name != "ticket" else booking()
    response = as_ann.post(page(mentor, f"?{asked}"), sent)
    assert response.status_code == 422
    assert not Appointment.objects.exists()


def test_a_group_that_one_left_books_nothing(as_ann, ann, mentor, sam):
    group = make_group(sam, ann)
    Membership.objects.filter(user=ann).delete()
    response = as_ann.post(page(mentor), booking(group=group.pk, shown=f"{group.pk}|wallet|1"))
    assert response.status_code == 422
    assert "You have no such group" in html(response)
    assert not Appointment.objects.exists()


def test_a_group_of_the_mentor_is_not_offered(as_ann, ann, mentor, max):
    group = make_group(ann, max)
    text = html(as_ann.get(page(mentor, f"?start={TUESDAY_10}&group={group.pk}")))
    assert f"Max is a member of {group}, so the group cannot book Max; this is for yourself." in text
    assert 'name="group"' not in text
    assert f"group={group.pk}" not in text


def test_only_who_may_pays_from_the_groups_wallet(client, sam, mentor, group):
    grant_points(sam, points=60)
    client.force_login(sam)
    address = page(mentor, f"?start={TUESDAY_10}&group={group.pk}")
    text = html(client.get(address))
    assert 'name="pay_from"' not in text
    assert "Only Ann may pay from the wallet of Compilers 🐌; this takes your own points." in text
    assert "Then you have" in text
    sent = booking(group=group.pk, pay_from="group", shown=f"{group.pk}|group|1")
    assert client.post(address, sent).status_code == 422
    assert wallet_of_group(group).balance_points == 120
    group.members_may_pay = True
    group.save()
    assert 'name="pay_from"' in html(client.get(address))
    assert client.post(address, sent).status_code == 302
    assert wallet_of_group(group).balance_points == 70


def test_missing_points_are_counted_in_the_wallet_that_pays(as_ann, mentor, group):
    text = html(as_ann.get(page(mentor, f"?start={TUESDAY_10}&group={group.pk}&pay_from=group&weeks=3")))
    assert "30 points are missing in the wallet of Compilers 🐌." in text
    assert "Request 3 sessions" not in text
    sent = booking(group=group.pk, pay_from="group", weeks=3, shown=f"{group.pk}|group|3")
    response = as_ann.post(page(mentor, f"?start={TUESDAY_10}"), sent)
    assert response.status_code == 402
    assert not Appointment.objects.exists()


def test_other_sessions_of_members_are_named_without_what_they_are_about(as_ann, sam, mentor, group):
    AppointmentFactory(student=sam, title="A secret", starts_at=TUESDAY + dt.timedelta(minutes=30))
    text = html(as_ann.get(page(mentor, f"?start={TUESDAY_10}&group={group.pk}")))
    assert "Sam Stone has another session then: 10:30–11:30." in text
    assert "A secret" not in text
    assert "Request for 50 points" in text
    assert "another session then" not in html(as_ann.get(page(mentor, f"?start={TUESDAY_10}")))
    later = html(as_ann.get(page(mentor, f"?start={quote('2027-01-12T11:00Z')}&group={group.pk}")))
    assert "another session then" not in later


def test_names_are_escaped(as_ann, ann, mentor):
    group = make_group(ann, UserFactory(name="<b>Bo</b>"), name="<i>x</i>")
    AppointmentFactory(student=group.memberships.exclude(user=ann).get().user, starts_at=TUESDAY)
    text = html(as_ann.get(page(mentor, f"?start={TUESDAY_10}&group={group.pk}")))
    assert "<i>x</i>" not in text
    assert "<b>Bo</b>" not in text


def test_the_page_asks_as_often_for_three_groups_as_for_one(as_ann, ann, sam, mentor):
    def count(query):
        as_ann.get(page(mentor, query))
        with CaptureQueriesContext(connection) as captured:
            as_ann.get(page(mentor, query))
        return len(captured)

    group = make_group(ann, sam)
    query = f"?start={TUESDAY_10}&group={group.pk}"
    AppointmentFactory(student=sam, starts_at=TUESDAY)
    one = count(query)
    for _number in range(2):
        other = UserFactory()
        make_group(ann, sam, other)
    person = UserFactory()
    Membership.objects.create(group=group, user=person)
    AppointmentFactory(student=person, starts_at=TUESDAY)
    assert count(query) == one


# --- About a question -------------------------------------------------------------------------------------------------


def test_a_question_gives_the_session_its_title_and_goes_with_it(as_ann, ann, mentor):
    ticket = TicketFactory(student=ann, title="Why does my <loop> stop?")
    address = page(mentor, f"?start={TUESDAY_10}&ticket={ticket.pk}")
    text = html(as_ann.get(address))
    assert "About your question" in text
    assert 'value="Why does my &lt;loop&gt; stop?"' in text
    as_ann.post(address, booking())
    assert Appointment.objects.get().ticket == ticket


def test_the_question_of_somebody_else_is_left_out_with_a_note(as_ann, mentor, sam):
    ticket = TicketFactory(student=sam, title="Sam's own")
    text = html(as_ann.get(page(mentor, f"?start={TUESDAY_10}&ticket={ticket.pk}")))
    assert "That is not one of your questions" in text
    assert "Sam&#x27;s own" not in text
    assert f"ticket={ticket.pk}" not in text


def test_a_deleted_question_is_left_out(as_ann, ann, mentor):
    ticket = TicketFactory(student=ann)
    Ticket.objects.filter(pk=ticket.pk).update(status=Ticket.Status.DELETED)
    assert "That is not one of your questions" in html(as_ann.get(page(mentor, f"?ticket={ticket.pk}")))


# --- Week after week --------------------------------------------------------------------------------------------------


def test_the_dates_and_the_total_stand_above_the_button(as_ann, mentor):
    text = html(as_ann.get(page(mentor, f"?start={TUESDAY_10}&weeks=3")))
    assert "Request 3 sessions for 150 points" in text
    for day in ("Tue 12 Jan", "Tue 19 Jan", "Tue 26 Jan"):
        assert f"{day}, 10:00–11:00" in text
    assert "3 × 50 =" in text


def test_a_series_is_booked_as_it_was_shown(as_ann, ann, mentor):
    response = as_ann.post(page(mentor), booking(weeks=3, shown="|wallet|3"))
    series = AppointmentSeries.objects.get()
    booked = list(series.appointments.order_by("starts_at"))
    assert [row.starts_at for row in booked] == [TUESDAY + week * WEEK for week in range(3)]
    assert response.url == booked[0].get_absolute_url()
    assert wallet_of(ann).balance_points == 70
    again = as_ann.post(page(mentor), booking(weeks=3, shown="|wallet|3"))
    assert again.url == response.url
    assert Appointment.objects.count() == 3


def test_a_week_that_is_not_free_is_named_and_fewer_are_offered(as_ann, mentor):
    AppointmentFactory(mentor=mentor, starts_at=TUESDAY + 2 * WEEK)
    response = as_ann.get(page(mentor, f"?start={TUESDAY_10}&weeks=4"))
    text = html(response)
    assert "Not every week is possible" in text
    assert "Fully booked." in text
    assert "Only the first 2 weeks" in text
    assert "Request 4 sessions" not in text
    refused = as_ann.post(page(mentor, f"?start={TUESDAY_10}"), booking(weeks=4, shown="|wallet|4"))
    assert refused.status_code == 409
    assert "Tue 26 Jan, 10:00 (the time is taken)" in html(refused)
    assert not Appointment.objects.filter(student__email="ann@example.org").exists()


def test_the_first_week_not_free_offers_other_times(as_ann, mentor):
    AppointmentFactory(mentor=mentor, starts_at=TUESDAY)
    text = html(as_ann.get(page(mentor, f"?start={TUESDAY_10}&weeks=2")))
    assert "Nearest free:" in text
    assert "Request 2 sessions" not in text


def test_only_weeks_within_the_horizon_are_offered(as_ann, mentor):
    MentorProfile.objects.filter(pk=mentor.pk).update(booking_horizon_days=28)
    response = as_ann.get(page(mentor, f"?start={TUESDAY_10}"))
    timetable = response.context["timetable"]
    last = timetable.now.date() + dt.timedelta(days=28)
    weeks = (last - timetable.chosen.starts_at.date()).days // 7 + 1
    assert timetable.possible_weeks == list(range(1, weeks + 1))
    assert "Max takes bookings up to 28 days ahead." in html(response)
    # What was asked for all the same is named week by week, and can be taken back.
    response = as_ann.get(page(mentor, f"?start={TUESDAY_10}&weeks={weeks + 1}"))
    assert response.context["timetable"].possible_weeks[-1] == weeks + 1
    assert not response.context["timetable"].chosen.can_be_booked
    as_many = as_ann.get(page(mentor, f"?start={TUESDAY_10}&weeks={weeks}"))
    assert not any("Not open yet" in week.refusal for week in as_many.context["timetable"].chosen.weeks)
