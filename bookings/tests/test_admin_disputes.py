import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bookings import actions
from bookings.models import Appointment, AppointmentSeries, Dispute, MoveProposal
from bookings.tests.factories import AppointmentFactory, book_confirmed, rich, works_every_day
from wallets.actions import transfer_points, wallet_of
from wallets.models import Transaction

START = dt.datetime(2027, 1, 13, 9, tzinfo=dt.UTC)
END = START + dt.timedelta(hours=1)
HOUR = dt.timedelta(hours=1)
LIST = "/admin/bookings/dispute/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_ada(client, ada, time_machine):
    time_machine.move_to(END + HOUR, tick=False)
    client.force_login(ada)
    return client


@pytest.fixture
def dispute(mentor, ann):
    works_every_day(mentor)
    rich(ann, 80)
    agreed = book_confirmed(mentor, ann, START)
    return actions.dispute_appointment(agreed, by=ann, reason="Max did not come.", now=END).dispute


def opened(appointment, **fields):
    return Dispute.objects.create(
        appointment=appointment, opened_by=appointment.student, reason="?", was_completed=False, **fields
    )


def decide(dispute):
    return reverse("admin:bookings_dispute_decide", args=[dispute.pk])


def body(response, status=200):
    assert response.status_code == status
    return " ".join(response.content.decode().split())


def test_what_waits_comes_first_and_the_oldest_of_it(as_ada, ada):
    for title, days, decided in (("new", 1, None), ("old", 3, None), ("decided", 9, END)):
        session = AppointmentFactory(title=f"{title} one", status="disputed", starts_at=START - dt.timedelta(days=days))
        extra = {"decided_at": decided, "decided_by": ada, "decision": "So."} if decided else {}
        opened(session, created_at=session.ends_at, **extra)
    page = body(as_ada.get(LIST))
    assert page.index("new one") < page.index("decided one")
    assert page.index("old one") < page.index("decided one")
    assert "decided one" not in body(as_ada.get(LIST + "?decided=no"))
    assert "old one" not in body(as_ada.get(LIST + "?decided=yes"))
    for query in ("?q=max", "?q=old", "?was_completed__exact=1", "?decided=%F0%9F%92%A5"):
        body(as_ada.get(LIST + query))


def test_the_list_takes_the_same_queries_for_one_row_and_for_three(as_ada):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert as_ada.get(LIST).status_code == 200
        return len(captured)

    opened(AppointmentFactory(status="disputed"))
    queries()
    one = queries()
    for _number in range(2):
        opened(AppointmentFactory(status="disputed"))
    assert queries() == one


def test_the_console_says_how_many_wait(as_ada, dispute):
    page = body(as_ada.get("/admin/"))
    assert "1 dispute waits for a decision" in page
    assert f"{LIST}?decided=no" in page
    as_ada.post(decide(dispute), {"returned_points": 50, "note": "So."})
    assert "waits for a decision" not in body(as_ada.get("/admin/"))


def test_staff_who_may_not_look_are_not_told_of_disputes(client, dispute, sam):
    sam.is_staff = True
    sam.save()
    client.force_login(sam)
    assert "waits for a decision" not in body(client.get("/admin/"))


def test_the_page_shows_both_sides_the_history_and_what_is_held(as_ada, dispute, max):
    actions.answer_dispute(dispute.appointment, by=max, answer="I was there. <script>", now=END)
    page = body(as_ada.get(decide(dispute)))
    for words in (
        "Max did not come.",
        "I was there. &lt;script&gt;",
        "The session cost 50, paid by Ann Archer. Held now: 50.",
        "Max Meyer confirmed",
        "Ann Archer said that something was wrong",
        "Max Meyer said how it was",
    ):
        assert words in page
    page = body(as_ada.get(f"{LIST}{dispute.pk}/change/"))
    assert decide(dispute) in page
    assert 'name="_save"' not in page


def test_staff_decide_and_it_is_logged(as_ada, dispute, ann, max):
    response = as_ada.post(decide(dispute), {"returned_points": "20", "note": "The call broke off."})
    assert response.url == f"{LIST}{dispute.pk}/change/"
    assert (wallet_of(ann).balance_points, wallet_of(max).balance_points) == (50, 30)
    assert LogEntry.objects.filter(object_id=str(dispute.pk), change_message="Decided.").exists()
    page = body(as_ada.get(response.url))
    assert "The call broke off." in page
    assert decide(dispute) not in page


@pytest.mark.parametrize(
    "typed",
    [
        {},
        {"returned_points": "20", "note": " "},
        {"returned_points": "", "note": "So."},
        {"returned_points": "51", "note": "So."},
        {"returned_points": "-1", "note": "So."},
        {"returned_points": "1.5", "note": "So."},
        {"returned_points": "9" * 40, "note": "So."},
        {"returned_points": "20", "note": "x" * 501},
    ],
)
def test_what_makes_no_sense_is_refused(as_ada, dispute, typed):
    page = body(as_ada.post(decide(dispute), typed), 422)
    assert ("Write 0 to 50 points." in page) == (typed.get("returned_points") in ("51", "-1", "1.5", "9" * 40))
    assert not Dispute.objects.get().is_decided


def test_a_second_decision_is_refused(as_ada, dispute, ann):
    as_ada.post(decide(dispute), {"returned_points": 50, "note": "So."})
    assert "decided already" in body(as_ada.post(decide(dispute), {"returned_points": 0, "note": "No."}), 409)
    assert wallet_of(ann).balance_points == 80
    assert "decided already" in body(as_ada.get(decide(dispute), follow=True))


def test_more_than_is_there_is_refused_with_what_there_is(as_ada, mentor, ann, max, sam):
    works_every_day(mentor)
    rich(ann, 50)
    done = actions.complete_appointment(book_confirmed(mentor, ann, START), by=max, now=END)
    transfer_points(wallet_of(max), wallet_of(sam), points=50, by=max, reason=Transaction.Reason.TRANSFER, note="Rent")
    dispute = actions.dispute_appointment(done, by=ann, reason="It broke off.", now=END).dispute
    assert "nothing can go back unless" in body(as_ada.get(decide(dispute)))
    assert "0 points are held and 30 should go back" in body(
        as_ada.post(decide(dispute), {"returned_points": 30, "note": "So."}), 409
    )
    rich(max, 50)
    assert "they are taken back when you return some" in body(as_ada.get(decide(dispute)))
    as_ada.post(decide(dispute), {"returned_points": 30, "note": "So."})
    assert (wallet_of(ann).balance_points, wallet_of(max).balance_points) == (30, 20)


@pytest.mark.parametrize("took_place", ["", "on"])
def test_of_a_free_session_staff_say_whether_it_counts(as_ada, mentor, ann, took_place):
    free = AppointmentFactory(mentor=mentor, student=ann, starts_at=START)
    dispute = actions.dispute_appointment(free, by=ann, reason="Nobody came.", now=END).dispute
    page = body(as_ada.get(decide(dispute)))
    assert "took_place" in page
    assert "returned_points" not in page
    as_ada.post(decide(dispute), {"note": "So.", "took_place": took_place})
    mentor.refresh_from_db()
    assert mentor.sessions_completed == (1 if took_place else 0)
    assert Dispute.objects.get().is_decided


def test_staff_without_the_permission_look_and_do_not_decide(client, dispute, sam):
    sam.is_staff = True
    sam.save()
    sam.user_permissions.add(Permission.objects.get(codename="view_dispute"))
    client.force_login(sam)
    assert decide(dispute) not in body(client.get(f"{LIST}{dispute.pk}/change/"))
    assert client.get(decide(dispute)).status_code == 403
    assert client.post(decide(dispute), {"returned_points": 50, "note": "So."}).status_code == 403
    assert not Dispute.objects.get().is_decided


def test_nobody_decides_about_themself(client, dispute, max):
    max.is_staff = max.is_superuser = True
    max.save()
    client.force_login(max)
    assert "somebody else has to decide" in body(client.get(decide(dispute), follow=True))
    assert client.post(decide(dispute), {"returned_points": 0, "note": "Mine."}).status_code == 403
    assert not Dispute.objects.get().is_decided


def test_a_session_leads_to_its_dispute_its_series_and_its_proposals(as_ada, dispute, mentor, max, ann):
    series = AppointmentSeries.objects.create(mentor=mentor, booked_by=ann, weeks=2)
    Appointment.objects.update(series=series)
    proposal = MoveProposal.objects.create(
        appointment=dispute.appointment,
        proposed_by=max,
        by_mentor=True,
        starts_at=START,
        ends_at=END,
        price_points=0,
        answer_by=END,
        status="declined",
        reason="Could we …",
    )
    page = body(as_ada.get(f"/admin/bookings/appointment/{dispute.appointment_id}/change/"))
    for row in (dispute, series):
        assert reverse(f"admin:bookings_{row._meta.model_name}_change", args=[row.pk]) in page
    assert "Could we …" in page
    assert "Help with Django forms" in body(as_ada.get(f"/admin/bookings/appointmentseries/{series.pk}/change/"))
    assert "Could we …" in body(as_ada.get(f"/admin/bookings/moveproposal/{proposal.pk}/change/"))
    for model in ("appointmentseries", "moveproposal"):
        body(as_ada.get(f"/admin/bookings/{model}/?q=ann"))
