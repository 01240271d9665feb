"""The pages on which a student says what was wrong, a mentor how it was, and both read what staff decided."""

import datetime as dt

import pytest
from django.urls import reverse

from accounts.models import Membership, ProjectGroup
from bookings import actions
from bookings.models import Appointment, Dispute
from bookings.tests.factories import AppointmentFactory, book_confirmed, rich, works_every_day
from wallets.actions import wallet_of

pytestmark = pytest.mark.django_db

Status = Appointment.Status
START = dt.datetime(2027, 1, 13, 9, tzinfo=dt.UTC)
END = START + dt.timedelta(hours=1)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)


@pytest.fixture(autouse=True)
def clock(time_machine):
    time_machine.move_to(END, tick=False)
    return time_machine


@pytest.fixture
def agreed(mentor, ann):
    works_every_day(mentor)
    rich(ann, 80)
    return book_confirmed(mentor, ann, START)


@pytest.fixture
def disputed(agreed, ann):
    return actions.dispute_appointment(agreed, by=ann, reason="Max did not come.", now=END)


@pytest.fixture
def as_(client):
    def sign_in(user):
        client.force_login(user)
        return client

    return sign_in


def address(appointment, page="dispute"):
    return reverse(f"bookings:{page}", args=[appointment.pk])


def body(response, status=200):
    assert response.status_code == status
    return " ".join(response.content.decode().split())


def test_the_button_names_its_limit_and_the_page_what_happens(as_, agreed, ann):
    client = as_(ann)
    page = body(client.get(address(agreed, "detail")))
    assert address(agreed) in page
    assert "Fri 15 Jan, 11:00" in page, "48 hours after the end, in Madrid"
    page = body(client.get(address(agreed)))
    assert "The 50 points stay set aside" in page
    assert "Staff read both and decide how many points you have back." in page


def test_of_a_completed_session_the_page_says_that_points_are_taken_back(as_, agreed, ann, max):
    actions.complete_appointment(agreed, by=max, now=END)
    assert "The 50 points are taken back from Max" in body(as_(ann).get(address(agreed)))


def test_a_free_session_says_nothing_of_points(as_, mentor, ann):
    free = AppointmentFactory(mentor=mentor, student=ann, starts_at=START)
    page = body(as_(ann).get(address(free)))
    assert "points" not in page.split("<main")[1].split("</main>")[0]
    as_(ann).post(address(free), {"reason": "Nobody came."})
    assert Dispute.objects.get().appointment == free


def test_what_was_wrong_is_sent_and_shown_to_both(as_, agreed, ann, max):
    response = as_(ann).post(address(agreed), {"reason": "Max did not come. <b>🙁</b>"})
    assert response.url == agreed.get_absolute_url()
    for user in (ann, max):
        page = body(as_(user).get(response.url))
        assert "Max did not come. &lt;b&gt;🙁&lt;/b&gt;" in page
        assert "Something was wrong: staff decide" in page
        assert "Ann Archer said that something was wrong" in page
        assert address(agreed) + '"' not in page, "no second button"


@pytest.mark.parametrize("reason", ["", "   ", "x" * 501])
def test_without_a_reason_nothing_happens(as_, agreed, ann, reason):
    page = body(as_(ann).post(address(agreed), {"reason": reason}), 422)
    assert "id_reason_error" in page or "invalid-feedback" in page
    assert Appointment.objects.get().status == Status.CONFIRMED


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize(
    ("when", "words"),
    [
        (START + 9 * MINUTE, "something was wrong from Wed 13 Jan, 10:10 on"),
        (END + 48 * HOUR, "wrong until Fri 15 Jan, 11:00"),
    ],
)
def test_too_early_and_too_late_are_refused_and_have_no_button(as_, agreed, ann, clock, when, words, method):
    clock.move_to(when, tick=False)
    client = as_(ann)
    assert address(agreed) not in body(client.get(address(agreed, "detail")))
    page = body(getattr(client, method)(address(agreed), {"reason": "?"}), 409)
    assert words in page
    assert ("If nobody comes, you can report it from 10:10 on." in page) == (when < END)
    assert not Dispute.objects.exists()


def test_a_second_click_and_a_stale_page_are_told(as_, disputed, ann):
    page = body(as_(ann).post(address(disputed), {"reason": "Again"}), 409)
    assert "disputed; staff decide about it" in page
    assert Dispute.objects.get().reason == "Max did not come."


def test_a_request_cannot_be_disputed(as_, mentor, ann):
    asked = AppointmentFactory(mentor=mentor, student=ann, status=Status.REQUESTED, starts_at=START)
    assert "nothing to dispute" in body(as_(ann).get(address(asked)), 409)


def test_nobody_else_disputes(as_, agreed, max, sam, ada):
    for user, status in ((max, 403), (sam, 404), (ada, 403)):
        client = as_(user)
        assert client.get(address(agreed)).status_code == status
        assert client.post(address(agreed), {"reason": "?"}).status_code == status
    assert not Dispute.objects.exists()


def test_of_a_group_everybody_reads_and_owner_and_booker_write(as_, mentor, ann, sam, ada, django_user_model):
    works_every_day(mentor)
    rich(ann, 50)
    member = django_user_model.objects.create(email="mel@example.org", name="Mel Member")
    group = ProjectGroup.objects.create(name="Robots", owner=sam)
    for user in (sam, ann, member):
        Membership.objects.create(group=group, user=user)
    agreed = book_confirmed(mentor, ann, START, group=group)
    assert address(agreed) in body(as_(ann).get(address(agreed, "detail")))
    assert "back to the wallet that paid" in body(as_(sam).get(address(agreed)))
    assert address(agreed) not in body(as_(member).get(address(agreed, "detail")))
    assert as_(member).post(address(agreed), {"reason": "?"}).status_code == 403
    as_(sam).post(address(agreed), {"reason": "Nobody came."})
    assert "Sam Stone says" in body(as_(member).get(address(agreed, "detail")))


def test_the_mentor_says_how_it_was_and_may_change_it(as_, disputed, ann, max):
    client = as_(max)
    assert address(disputed, "answer_dispute") in body(client.get(address(disputed, "detail")))
    assert "Max did not come." in body(client.get(address(disputed, "answer_dispute")))
    body(client.post(address(disputed, "answer_dispute"), {"answer": " "}), 422)
    client.post(address(disputed, "answer_dispute"), {"answer": "I was there."})
    assert "I was there." in body(client.get(address(disputed, "answer_dispute")))
    client.post(address(disputed, "answer_dispute"), {"answer": "I was there until ten."})
    page = body(as_(ann).get(address(disputed, "detail")))
    assert "I was there until ten." in page
    assert address(disputed, "answer_dispute") not in page
    assert as_(ann).post(address(disputed, "answer_dispute"), {"answer": "?"}).status_code == 403


def test_the_decision_is_shown_with_the_points(as_, disputed, ann, max, ada):
    assert reverse("admin:bookings_dispute_decide", args=[disputed.dispute.pk]) in body(
        as_(ada).get(address(disputed, "detail"))
    )
    actions.decide_dispute(disputed, by=ada, returned_points=20, note="It broke off.", now=END + HOUR)
    for user in (ann, max, ada):
        page = body(as_(user).get(address(disputed, "detail")))
        assert "Staff decided about this session" in page
        assert "It broke off." in page
        assert "20 of 50 points went back to Ann, 30 to Max." in page
        assert "/decide/" not in page
    assert body(as_(max).post(address(disputed, "answer_dispute"), {"answer": "But"}), 409)
    assert wallet_of(ann).balance_points == 50


# --- The student did not come -----------------------------------------------------------------------------------------


def test_the_mentor_reports_from_ten_minutes_after_the_start(as_, agreed, max, clock):
    client = as_(max)
    clock.move_to(START + 10 * MINUTE - dt.timedelta(seconds=1), tick=False)
    assert address(agreed, "no_show") not in body(client.get(address(agreed, "detail")))
    for method in (client.get, client.post):
        assert "report that nobody came from Wed 13 Jan, 10:10 on" in body(method(address(agreed, "no_show")), 409)
    clock.move_to(START + 10 * MINUTE, tick=False)
    assert "50 points go to you." in body(client.get(address(agreed, "no_show")))
    client.post(address(agreed, "no_show"))
    assert Appointment.objects.get().status == Status.NO_SHOW
    assert wallet_of(max).balance_points == 50


def test_who_did_not_come_cannot_dispute_it(as_, agreed, ann, max):
    actions.report_no_show(agreed, by=max, now=END)
    assert "reported already" in body(as_(ann).post(address(agreed), {"reason": "I did!"}), 409)
