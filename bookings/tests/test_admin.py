import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from bookings import actions
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory, works_every_day
from wallets.actions import grant_points, wallet_of

Status = Appointment.Status
NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)
START = dt.datetime(2027, 1, 13, 9, tzinfo=dt.UTC)
LIST = "/admin/bookings/appointment/"

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_ada(client, ada, time_machine):
    time_machine.move_to(NOW, tick=False)
    client.force_login(ada)
    return client


@pytest.fixture
def requested(mentor, ann):
    works_every_day(mentor)
    grant_points(ann, points=80)
    return actions.book_slot(mentor, student=ann, starts_at=START, duration_minutes=60, title="Slow query", now=NOW)


def status(appointment):
    return Appointment.objects.get(pk=appointment.pk).status


@pytest.mark.parametrize("query", ["", "?q=max", "?status__exact=confirmed", "?overdue=answer", "?overdue=completion"])
def test_appointments_are_listed_searched_and_filtered(as_ada, requested, query):
    assert as_ada.get(LIST + query).status_code == 200


def test_the_list_takes_the_same_queries_for_one_row_and_for_three(as_ada):
    def queries():
        with CaptureQueriesContext(connection) as captured:
            assert as_ada.get(LIST).status_code == 200
        return len(captured)

    AppointmentFactory()
    queries()
    one = queries()
    AppointmentFactory.create_batch(2)
    assert queries() == one


def test_a_row_links_to_people_wallets_and_history_and_changes_nothing(as_ada, requested):
    page = as_ada.get(f"{LIST}{requested.pk}/change/").content.decode()
    for address in (
        reverse("admin:mentors_mentorprofile_change", args=[requested.mentor_id]),
        reverse("admin:accounts_user_change", args=[requested.student_id]),
        reverse("admin:wallets_wallet_change", args=[requested.escrow_id]),
        f"cancel/?ids={requested.pk}",
    ):
        assert address in page
    assert "events-0" in page
    assert 'name="_save"' not in page
    assert as_ada.post(f"{LIST}{requested.pk}/change/", {"status": "completed"}).status_code == 403
    assert as_ada.get(f"{LIST}add/").status_code == 403
    assert as_ada.get(f"{LIST}{requested.pk}/delete/").status_code == 403


def test_staff_cancel_with_a_reason_and_everything_goes_back(as_ada, requested, ann):
    chosen = as_ada.post(LIST, {"action": "cancel", "_selected_action": [requested.pk]})
    assert "50 points go back" in as_ada.get(chosen.url).content.decode()
    assert as_ada.post(chosen.url, {"reason": ""}).status_code == 422
    assert status(requested) == Status.REQUESTED
    as_ada.post(chosen.url, {"reason": "Max is ill."})
    assert status(requested) == Status.CANCELLED
    assert wallet_of(ann).balance_points == 80
    assert LogEntry.objects.filter(object_id=str(requested.pk)).exists()


def test_what_cannot_be_cancelled_is_told_and_the_others_go_on(as_ada, requested, ann):
    done = AppointmentFactory(status=Status.COMPLETED)
    address = reverse("admin:bookings_appointment_cancel") + f"?ids={done.pk},{requested.pk}"
    assert "cannot be cancelled" in as_ada.get(address).content.decode()
    page = as_ada.post(address, {"reason": "Ill."}, follow=True).content.decode()
    assert "1 session cancelled." in page
    assert "completed already" in page
    assert (status(done), status(requested)) == (Status.COMPLETED, Status.CANCELLED)


@pytest.mark.parametrize("ids", ["", "x", "1,", "²", "99999999999999999999", "1," * 300])
def test_nonsense_to_cancel_is_404(as_ada, ids):
    assert as_ada.get(reverse("admin:bookings_appointment_cancel"), {"ids": ids}).status_code == 404


def test_overdue_ones_are_settled(as_ada, requested, ann, time_machine):
    over = AppointmentFactory(status=Status.CONFIRMED, starts_at=START)
    time_machine.move_to(START + dt.timedelta(days=3), tick=False)
    page = as_ada.post(
        LIST, {"action": "settle_overdue", "_selected_action": [requested.pk, over.pk]}, follow=True
    ).content.decode()
    assert "2 sessions settled." in page
    assert status(requested) == Status.EXPIRED
    assert wallet_of(ann).balance_points == 80
    assert status(over) == Status.COMPLETED


def test_hours_are_there_to_be_read(as_ada, mentor):
    works_every_day(mentor)
    mentor.date_overrides.create(date=dt.date(2027, 2, 1), windows=[])
    mentor.date_overrides.create(date=dt.date(2027, 2, 2), windows=[[600, 720]])
    assert "09:00–17:00" in as_ada.get("/admin/bookings/weeklyhours/").content.decode()
    overrides = as_ada.get("/admin/bookings/dateoverride/").content.decode()
    assert "10:00–12:00" in overrides
    assert "off" in overrides


def test_staff_without_the_permission_cannot_cancel(client, requested, sam):
    sam.is_staff = True
    sam.save(update_fields=["is_staff"])
    client.force_login(sam)
    address = reverse("admin:bookings_appointment_cancel") + f"?ids={requested.pk}"
    assert client.get(address).status_code == 403
