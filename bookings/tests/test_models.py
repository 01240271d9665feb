import datetime as dt

import pytest

from bookings.models import Appointment
from bookings.models.appointment import STATUS_LOOKS
from bookings.tests.factories import AppointmentFactory
from mentors.tests.factories import MentorProfileFactory

TEN = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
Status = Appointment.Status


def test_each_side_and_staff_see_an_appointment(ann, mentor, max, sam, ada):
    appointment = AppointmentFactory(mentor=mentor, student=ann)
    for person in (ann, max, ada):
        assert appointment in Appointment.objects.visible_to(person)
    assert not Appointment.objects.visible_to(sam).exists()


def test_upcoming_and_past_share_out_everything(mentor, ann):
    soon = AppointmentFactory(mentor=mentor, student=ann)
    later = AppointmentFactory(mentor=mentor, student=ann, starts_at=TEN + HOUR, status=Status.REQUESTED)
    over = AppointmentFactory(mentor=mentor, student=ann, starts_at=TEN - HOUR)
    cancelled = AppointmentFactory(mentor=mentor, student=ann, starts_at=TEN + 2 * HOUR, status=Status.CANCELLED)
    now = TEN + HOUR / 2
    assert list(Appointment.objects.upcoming(now)) == [soon, later]
    assert list(Appointment.objects.past(now)) == [cancelled, over]


def test_requests_that_ran_out_take_no_time(mentor):
    request = AppointmentFactory(mentor=mentor, status=Status.REQUESTED, answer_by=TEN - HOUR)
    assert request in Appointment.objects.taking_time(TEN - 2 * HOUR)
    assert request not in Appointment.objects.taking_time(TEN - HOUR)
    assert list(Appointment.objects.unanswered(TEN - HOUR)) == [request]
    assert not Appointment.objects.unanswered(TEN - 2 * HOUR).exists()


def test_involving_finds_both_roles(mentor, max, ann):
    as_mentor = AppointmentFactory(mentor=mentor, student=ann)
    as_student = AppointmentFactory(student=max)
    AppointmentFactory()
    assert set(Appointment.objects.involving(max)) == {as_mentor, as_student}


@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_look(status):
    assert STATUS_LOOKS[status]
    appointment = Appointment(status=status)
    assert appointment.status_tone in {"info", "success", "danger", "muted", "primary"}
    assert appointment.status_icon


def test_buttons_are_for_those_who_may_press_them(ann, mentor, max, sam, ada):
    request = AppointmentFactory(mentor=mentor, student=ann, status=Status.REQUESTED)
    session = AppointmentFactory(mentor=mentor, student=ann, starts_at=TEN + HOUR)
    before, running = TEN - HOUR, TEN + HOUR + dt.timedelta(minutes=10)
    may = {
        "confirm": {p for p in (ann, max, sam, ada) if request.can_be_confirmed_by(p, before)},
        "decline": {p for p in (ann, max, sam, ada) if request.can_be_declined_by(p, before)},
        "withdraw": {p for p in (ann, max, sam, ada) if request.can_be_cancelled_by(p, before)},
        "cancel": {p for p in (ann, max, sam, ada) if session.can_be_cancelled_by(p, before)},
        "cancel while it runs": {p for p in (ann, max, sam, ada) if session.can_be_cancelled_by(p, running)},
        "complete": {p for p in (ann, max, sam, ada) if session.can_be_completed_by(p, running)},
        "complete early": {p for p in (ann, max, sam, ada) if session.can_be_completed_by(p, before)},
        "no show": {p for p in (ann, max, sam, ada) if session.can_be_reported_no_show_by(p, running)},
        "no show at once": {p for p in (ann, max, sam, ada) if session.can_be_reported_no_show_by(p, TEN + HOUR)},
    }
    assert may == {
        "confirm": {max},
        "decline": {max},
        "withdraw": {ann, max, ada},
        "cancel": {ann, max, ada},
        "cancel while it runs": {max, ada},
        "complete": {max},
        "complete early": set(),
        "no show": {max},
        "no show at once": set(),
    }


def test_the_other_side_is_whom_one_meets(ann, mentor, max):
    appointment = AppointmentFactory(mentor=mentor, student=ann)
    assert (appointment.other_side(ann), appointment.other_side(max)) == (max, ann)


@pytest.mark.django_db
def test_length_is_in_minutes():
    assert AppointmentFactory(ends_at=TEN + 1.5 * HOUR).duration_minutes == 90
    assert MentorProfileFactory().appointments.count() == 0
