import datetime as dt

import pytest
from django.core import mail
from icalendar import Calendar

from accounts.models import Membership, ProjectGroup
from accounts.tests.factories import UserFactory
from bookings import calendar_files
from bookings.actions import cancel_appointment, confirm_appointment, decline_appointment, expire_request
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory, book, rich, works_every_day
from notifications.models import OutgoingEmail
from notifications.outbox import drain

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 22, 10, tzinfo=dt.UTC)
START = dt.datetime(2026, 11, 24, 13, tzinfo=dt.UTC)
SMUGGLED = 'Forms\r\nATTENDEE:mailto:evil@example.org\rSTATUS:CANCELLED\x0bX:1\x85Y:2\u2028Z:3 ;,\\ "^ 👩🏽‍💻'


@pytest.fixture
def session(ann, mentor):
    return AppointmentFactory(
        mentor=mentor, student=ann, starts_at=START, meeting_url="https://meet.example.org/max", sequence=3
    )


def read(text):
    """The calendar and its events; a file that a strict reader would not take fails here."""
    assert text.replace("\r\n", "").find("\r") == text.replace("\r\n", "").find("\n") == -1
    lines = text.split("\r\n")
    assert lines.pop() == ""
    assert max(len(line.encode()) for line in lines) <= 75
    calendar = Calendar.from_ical(text)
    assert calendar.errors == []
    assert all(event.errors == [] for event in calendar.events)
    return calendar, calendar.events


def test_every_field_says_what_the_appointment_says(session, ann, max, settings):
    settings.BASE_URL, settings.SITE_NAME = "https://help.example.org", "Help, at “Uni”"
    settings.DEFAULT_FROM_EMAIL = "Helpdesk <help@example.org>"
    session.description = "See https://example.org;\nthen, perhaps, 😀"
    text = calendar_files.session_file(session, ann, at=NOW)
    calendar, [event] = read(text)
    assert "VTIMEZONE" not in text
    assert (calendar["version"], calendar["method"]) == ("2.0", "REQUEST")
    page = f"https://help.example.org/bookings/{session.pk}/"
    assert event["uid"] == f"appointment-{session.pk}@help.example.org"
    assert event["sequence"] == 3
    assert event["dtstamp"].dt == event["last-modified"].dt == NOW
    assert (event["dtstart"].dt, event["dtend"].dt) == (START, START + dt.timedelta(hours=1))
    assert event["dtstart"].to_ical() == b"20261124T130000Z"
    assert event["status"] == "CONFIRMED"
    assert event["transp"] == "OPAQUE"
    assert event["summary"] == "Help with Django forms (Max Meyer)"
    assert event["description"] == (
        f"See https://example.org;\nthen, perhaps, 😀\n\nEverything about it, and to change it: {page}"
    )
    assert event["url"] == page
    assert event["location"] == "https://meet.example.org/max"
    assert event["organizer"] == "mailto:help@example.org"
    assert event["organizer"].params["CN"] == "Help, at “Uni”"
    mentor, student = event["attendee"]
    assert (mentor, mentor.params["CN"], mentor.params["PARTSTAT"]) == ("invalid:nomail", "Max Meyer", "ACCEPTED")
    assert (student, student.params["CN"], student.params["PARTSTAT"]) == (
        "mailto:ann@example.org",
        "Ann Archer",
        "ACCEPTED",
    )


@pytest.mark.parametrize(
    ("status", "written", "method", "mentor_answer", "shows_link"),
    [
        ("requested", "TENTATIVE", "REQUEST", "NEEDS-ACTION", False),
        ("confirmed", "CONFIRMED", "REQUEST", "ACCEPTED", True),
        ("completed", "CONFIRMED", "REQUEST", "ACCEPTED", False),
        ("no_show", "CONFIRMED", "REQUEST", "ACCEPTED", False),
        ("disputed", "CONFIRMED", "REQUEST", "ACCEPTED", False),
        ("declined", "CANCELLED", "CANCEL", "DECLINED", False),
        ("expired", "CANCELLED", "CANCEL", "NEEDS-ACTION", False),
        ("cancelled", "CANCELLED", "CANCEL", "ACCEPTED", False),
    ],
)
def test_the_state_decides(session, max, status, written, method, mentor_answer, shows_link):
    session.status = status
    calendar, [event] = read(calendar_files.session_file(session, max, at=NOW))
    assert (calendar["method"], event["status"]) == (method, written)
    mentor = next(person for person in event["attendee"] if person == "mailto:max@example.org")
    assert mentor.params["PARTSTAT"] == mentor_answer
    assert ("location" in event) == shows_link


def test_nobody_reads_the_address_of_another(session, ann, max):
    assert "max@example.org" not in calendar_files.session_file(session, ann, at=NOW)
    assert "ann@example.org" not in calendar_files.session_file(session, max, at=NOW)


def test_a_group_is_named_and_every_member_has_a_file_of_their_own(session, ann, sam, max):
    group = ProjectGroup.objects.create(name="Rockets; “Moon”, Ltd", owner=ann)
    for person in (ann, sam):
        Membership.objects.create(group=group, user=person)
    session.group = group
    _calendar, [event] = read(calendar_files.session_file(session, sam, at=NOW))
    assert event["summary"] == "Help with Django forms (Max Meyer)"
    assert "the group Rockets; “Moon”, Ltd, booked by Ann Archer" in event["description"]
    assert [str(person) for person in event["attendee"]] == [
        "invalid:nomail",
        "invalid:nomail",
        "mailto:sam@example.org",
    ]
    assert event["location"]
    _calendar, [event] = read(calendar_files.session_file(session, max, at=NOW))
    assert event["summary"] == "Help with Django forms (Rockets; “Moon”, Ltd)"


def test_somebody_who_does_not_take_part_reads_no_meeting_link(session, sam):
    assert "meet.example.org" not in calendar_files.session_file(session, sam, at=NOW)


@pytest.mark.parametrize("field", ["title", "description", "name", "group", "meeting_url"])
def test_no_text_becomes_a_property(session, ann, max, field):
    if field == "name":
        session.mentor.user.name = SMUGGLED
    elif field == "group":
        session.group = ProjectGroup.objects.create(name=SMUGGLED, owner=ann)
    else:
        setattr(session, field, SMUGGLED)
    text = calendar_files.session_file(session, ann, at=NOW)
    _calendar, [event] = read(text)
    assert event["status"] == "CONFIRMED"
    assert len(event["attendee"]) == 2
    assert not {"X", "Y", "Z"} & set(event)
    # Whatever a reader takes for the end of a line: none begins with what was smuggled.
    unfolded = text.replace("\r\n ", "")
    assert [line for line in unfolded.splitlines() if line.startswith(("ATTENDEE:", "STATUS:CAN", "X", "Y", "Z"))] == []


def test_what_was_written_comes_back_whole(session, ann):
    session.title = "Semicolons; commas, back\\slash \\n and 👩🏽‍💻 " + "é" * 100
    session.description = "One\nTwo\r\nThree\\n" + "漢字" * 300
    _calendar, [event] = read(calendar_files.session_file(session, ann, at=NOW))
    assert event["summary"] == f"{session.title} (Max Meyer)"
    assert event["description"].startswith("One\nTwo\nThree\\n" + "漢字" * 300)


def test_a_series_is_one_file(ann, mentor):
    sessions = [
        AppointmentFactory(mentor=mentor, student=ann, starts_at=START + dt.timedelta(weeks=week)) for week in range(3)
    ]
    calendar, events = read(calendar_files.series_file(sessions, ann))
    assert calendar["method"] == "REQUEST"
    assert [event["dtstart"].dt for event in events] == [each.starts_at for each in sessions]
    assert len({event["uid"] for event in events}) == 3
    sessions[0].status = Appointment.Status.CANCELLED
    calendar, events = read(calendar_files.series_file(sessions, ann))
    assert (calendar["method"], len(events)) == ("REQUEST", 2)
    for session in sessions:
        session.status = Appointment.Status.CANCELLED
    calendar, events = read(calendar_files.series_file(sessions, ann))
    assert (calendar["method"], len(events)) == ("CANCEL", 3)


# --- With every mail --------------------------------------------------------------------------------------------------


@pytest.fixture
def booked(ann, mentor):
    works_every_day(mentor, 0, 24 * 60)
    return book(mentor, rich(ann), START, now=NOW)


def attached(recipient):
    """(method, event) of each mail to `recipient`, in order."""
    found = []
    for email in OutgoingEmail.objects.filter(to=recipient.email).order_by("id"):
        calendar, [event] = read(email.attachment_text)
        assert email.attachment_name == "session.ics"
        assert email.attachment_type == f"text/calendar; method={calendar['method']}; charset=utf-8"
        found.append((calendar["method"], event))
    return found


def test_every_mail_about_an_appointment_carries_it(booked, ann, max):
    confirm_appointment(booked, by=max, now=NOW + dt.timedelta(hours=1))
    cancel_appointment(booked, by=ann, reason="Ill", now=NOW + dt.timedelta(hours=2))
    asked, gone = attached(max)
    agreed = attached(ann)[0]
    assert [method for method, _event in (asked, agreed, gone)] == ["REQUEST", "REQUEST", "CANCEL"]
    assert [event["status"] for _method, event in (asked, agreed, gone)] == ["TENTATIVE", "CONFIRMED", "CANCELLED"]
    assert len({event["uid"] for _method, event in (asked, agreed, gone)}) == 1
    sequences = [event["sequence"] for _method, event in (asked, agreed, gone)]
    stamps = [event["dtstamp"].dt for _method, event in (asked, agreed, gone)]
    assert sequences == sorted(set(sequences))
    assert stamps == [NOW + dt.timedelta(hours=hours) for hours in range(3)]


def test_declined_and_expired_withdraw_it(booked, ann, max):
    decline_appointment(booked, by=max, reason="", now=NOW)
    assert attached(ann)[-1][0] == "CANCEL"


def test_an_expired_request_withdraws_it(booked, ann, max):
    expire_request(booked, now=booked.answer_by)
    assert attached(ann)[-1][0] == attached(max)[-1][0] == "CANCEL"


def test_members_of_a_group_get_their_own(session, ann, sam, max):
    group = ProjectGroup.objects.create(name="Rockets", owner=ann)
    nina = UserFactory(name="Nina")
    for person in (ann, sam, nina):
        Membership.objects.create(group=group, user=person)
    Appointment.objects.filter(pk=session.pk).update(group=group)
    cancel_appointment(Appointment.objects.get(pk=session.pk), by=max, reason="", now=NOW)
    for person in (ann, sam, nina):
        [(method, event)] = attached(person)
        assert method == "CANCEL"
        assert [str(each) for each in event["attendee"] if each != "invalid:nomail"] == [f"mailto:{person.email}"]


def test_it_leaves_with_the_mail_as_a_calendar(booked, max):
    drain(now=lambda: NOW + dt.timedelta(days=400))
    [message] = [message for message in mail.outbox if message.to == [max.email]]
    [part] = [part for part in message.message().walk() if part.get_content_type() == "text/calendar"]
    assert part.get_param("method") == "REQUEST"
    assert part.get_param("charset") == "utf-8"
    assert part.get_filename() == "session.ics"
    text = part.get_payload(decode=True).decode()
    assert text == OutgoingEmail.objects.get(to=max.email).attachment_text
    read(text)
