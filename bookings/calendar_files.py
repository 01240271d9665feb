"""Sessions as calendar files (RFC 5545, RFC 5546): what goes with a mail, and what a feed consists of.

One event per appointment. Its UID never changes and its SEQUENCE rises with each change, so that a calendar replaces
what it has. All times are UTC: no file of ours depends on a reader's idea of a time zone. A file is written for one
person and names nothing that this person may not see: others appear by name, without their addresses.
"""

import datetime as dt
import re
from email.utils import parseaddr
from urllib.parse import urlsplit

from django.conf import settings
from django.utils import timezone
from django.utils.translation import gettext as _
from icalendar import Calendar, Event, vCalAddress, vText, vUri

from bookings.models import Appointment
from notifications.actions import Attachment, speaking_to

Status = Appointment.Status

PRODUCT = "-//mentorbook//sessions//EN"
FILE_NAME = "session.ics"
# Whoever has no address that the reader may know. Google and Apple write the same.
NO_ADDRESS = "invalid:nomail"
STATUSES = {
    Status.REQUESTED: "TENTATIVE",
    Status.DECLINED: "CANCELLED",
    Status.EXPIRED: "CANCELLED",
    Status.CANCELLED: "CANCELLED",
}
MENTOR_ANSWERS = {
    Status.REQUESTED: "NEEDS-ACTION",
    Status.EXPIRED: "NEEDS-ACTION",
    Status.DECLINED: "DECLINED",
}
# What ends a line for some reader or other, and what no reader shows.
_BREAKS = re.compile("\r\n|[\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029]")
_INVISIBLE = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


def uid_of(appointment) -> str:
    """The same in every file and in every feed, for as long as the appointment exists."""
    return f"appointment-{appointment.pk}@{_host()}"


def own_uids() -> str:
    """A pattern that the UIDs of all our own events match, and no other."""
    return rf"appointment-[0-9]+@{re.escape(_host())}"


def attachment(appointments, recipient, *, at: dt.datetime) -> Attachment:
    """What goes with a mail to `recipient` about these appointments: an invitation that replaces the one before, or,
    when none of them takes place, its withdrawal. `at` is when they became what they are."""
    appointments, method = _worth_telling(appointments)
    text = _write(appointments, recipient, at=at, method=method)
    return Attachment(FILE_NAME, f"text/calendar; method={method}; charset=utf-8", text)


def session_file(appointment, recipient, *, at: dt.datetime) -> str:
    return attachment([appointment], recipient, at=at).text


def series_attachment(appointments, recipient, *, at: dt.datetime | None = None) -> Attachment:
    """All of a series in one file, to go with one mail."""
    return attachment(appointments, recipient, at=at or timezone.now())


def series_file(appointments, recipient, *, at: dt.datetime | None = None) -> str:
    return series_attachment(appointments, recipient, at=at).text


def feed_file(appointments, viewer, *, name: str) -> str:
    """A calendar to be read again and again. Each appointment says in `changed_at` when it became what it is."""
    calendar = _calendar()
    calendar.add("name", name)
    calendar.add("x-wr-calname", name)
    calendar.add("refresh-interval", dt.timedelta(hours=1), parameters={"VALUE": "DURATION"})
    calendar.add("x-published-ttl", "PT1H")
    with speaking_to(viewer):
        for appointment in appointments:
            calendar.add_component(_event(appointment, viewer, at=appointment.changed_at))
    return calendar.to_ical().decode()


def _worth_telling(appointments):
    """Those that one message can be about, and its method: a cancelled one has no place in an invitation."""
    appointments = list(appointments)
    taking_place = [each for each in appointments if each.status not in Appointment.FREEING]
    return (taking_place, "REQUEST") if taking_place else (appointments, "CANCEL")


def _write(appointments, recipient, *, at, method):
    calendar = _calendar()
    calendar.add("method", method)
    with speaking_to(recipient):
        for appointment in appointments:
            event = _event(appointment, recipient, at=at)
            _add_people(event, appointment, recipient)
            calendar.add_component(event)
    return calendar.to_ical().decode()


def _calendar():
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    return calendar


def _event(appointment, viewer, *, at):
    page = settings.BASE_URL + appointment.get_absolute_url()
    event = Event()
    event.add("uid", uid_of(appointment))
    event.add("sequence", appointment.sequence)
    event.add("dtstamp", at)
    event.add("last-modified", at)
    event.add("dtstart", appointment.starts_at.astimezone(dt.UTC))
    event.add("dtend", appointment.ends_at.astimezone(dt.UTC))
    event.add("status", STATUSES.get(appointment.status, "CONFIRMED"))
    event.add("transp", "OPAQUE")
    event.add("summary", _line(f"{appointment.title} ({_whom(appointment, viewer)})"))
    event.add("description", _description(appointment, viewer, page))
    event["URL"] = vUri(page)
    if appointment.meeting_url and appointment.status == Status.CONFIRMED and appointment.has_participant(viewer):
        event.add("location", _line(appointment.meeting_url))
    return event


def _whom(appointment, viewer):
    """Whom `viewer` meets: of a group its name."""
    if appointment.is_mentored_by(viewer):
        return str(appointment.group or appointment.student)
    return str(appointment.mentor.user)


def _description(appointment, viewer, page):
    parts = [appointment.description.strip()] if appointment.description.strip() else []
    if appointment.group_id is not None:
        names = {"group": appointment.group, "mentor": appointment.mentor.user, "student": appointment.student}
        parts.append(_("%(mentor)s with the group %(group)s, booked by %(student)s") % names)
    parts.append(_("Everything about it, and to change it: %(link)s") % {"link": page})
    return _lines("\n\n".join(parts))


def _add_people(event, appointment, recipient):
    """The site invites: answers belong on its pages, so it asks for none by mail."""
    site = vCalAddress(f"mailto:{parseaddr(settings.DEFAULT_FROM_EMAIL)[1]}")
    site.params["CN"] = vText(_name(settings.SITE_NAME))
    event.add("organizer", site, encode=0)
    people = {person.pk: person for person in (appointment.mentor.user, appointment.student, recipient)}
    for person in people.values():
        attendee = vCalAddress(f"mailto:{person.email}" if person.pk == recipient.pk else NO_ADDRESS)
        is_mentor = appointment.is_mentored_by(person)
        attendee.params["CN"] = vText(_name(person))
        attendee.params["PARTSTAT"] = vText(
            MENTOR_ANSWERS.get(appointment.status, "ACCEPTED") if is_mentor else "ACCEPTED"
        )
        attendee.params["ROLE"] = vText("REQ-PARTICIPANT")
        attendee.params["RSVP"] = vText("FALSE")
        event.add("attendee", attendee, encode=0)


def _host():
    return urlsplit(settings.BASE_URL).hostname or "localhost"


def _lines(text):
    return _INVISIBLE.sub("", _BREAKS.sub("\n", text))


def _line(text):
    return " ".join(_lines(text).split())


def _name(person):
    """A name as a parameter's value, which knows no escape for a quotation mark that all readers know."""
    return _line(str(person)).replace('"', "'").replace("^", "")
