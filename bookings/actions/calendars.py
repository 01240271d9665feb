"""What people choose about calendars, and the busy times that mentors have imported."""

import datetime as dt
import logging
import secrets
from concurrent.futures import ThreadPoolExecutor

from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from bookings import calendar_files, calendar_import
from bookings.actions import history, locks
from bookings.calendar_import import NETWORK, CannotRead, Outcome, describe
from bookings.models import BusyTime, CalendarImport, CalendarSettings
from mentorbook.errors import Refused
from mentorbook.locks import limit_waiting, patiently
from notifications.actions import notify, speaking_to
from notifications.models import Kind

logger = logging.getLogger(__name__)

EVERY = dt.timedelta(minutes=30)
LONGEST_BACK_OFF = dt.timedelta(hours=6)
CLAIM_HOLDS = dt.timedelta(minutes=5)
# What repeats is unrolled for 400 days from the day on which it is read, so that "nothing new" is no answer for ever.
READ_ANEW_AFTER = dt.timedelta(hours=24)
TELL_AFTER = 3
AT_ONCE = 4
# Others' servers must not keep our own jobs waiting; what is left is due in the next round.
ROUND_SECONDS = 60


class TooManyCalendars(Refused):
    code = "too_many_calendars"
    status = 409
    field = "url"
    message = _("You have as many calendars as can be imported. Remove one first.")


class CalendarThere(Refused):
    code = "calendar_there"
    status = 409
    field = "url"
    message = _("You import this calendar already.")


class BadAddress(Refused):
    """Fact: `problem`, a code of calendar_import."""

    code = "bad_address"
    status = 422
    field = "url"


# --- One's own choice -------------------------------------------------------------------------------------------------


def choose_reminders(user, *, day_before: bool, hour_before: bool) -> CalendarSettings:
    """Set when `user` is reminded of sessions."""
    chosen, _is_new = CalendarSettings.objects.update_or_create(
        user=user, defaults={"remind_day_before": day_before, "remind_hour_before": hour_before}
    )
    return chosen


def replace_feed(user) -> CalendarSettings:
    """Give `user` a new address for the feed; the one before leads nowhere from now on."""
    chosen, _is_new = CalendarSettings.objects.update_or_create(
        user=user, defaults={"feed_number": secrets.token_urlsafe(16)}
    )
    return chosen


def remove_feed(user):
    """Let the feed's address lead nowhere; a second time changes nothing."""
    CalendarSettings.objects.filter(user=user).update(feed_number="")


# --- Imported calendars -----------------------------------------------------------------------------------------------


@patiently
@transaction.atomic
def add_calendar(mentor, *, url: str, name: str = "", now: dt.datetime) -> CalendarImport:
    """Have the busy times of the calendar at `url` taken over. The next job reads it for the first time; nothing is
    asked over the network here."""
    try:
        url = calendar_import.checked_address(url)
    except CannotRead as problem:
        raise BadAddress(describe(problem.code), problem=problem.code) from None
    limit_waiting()
    profile = locks.lock_mentor(mentor.pk)
    if profile.calendar_imports.filter(url=url).exists():
        raise CalendarThere
    if profile.calendar_imports.count() >= CalendarImport.MOST:
        raise TooManyCalendars(most=CalendarImport.MOST)
    return profile.calendar_imports.create(url=url, name=name.strip(), next_fetch_at=now, created_at=now)


@patiently
@transaction.atomic
def remove_calendar(calendar, *, now: dt.datetime):
    """Forget the calendar and everything that was busy because of it; a second time changes nothing."""
    limit_waiting()
    profile = locks.lock_mentor(calendar.mentor_id)
    _number, by_model = CalendarImport.objects.filter(pk=calendar.pk).delete()
    if by_model.get(BusyTime._meta.label):
        history.time_is_free_again([profile], now=now)


def read_again(calendar, *, now: dt.datetime):
    """Have the next job read it, and not only what is new."""
    CalendarImport.objects.filter(pk=calendar.pk).update(next_fetch_at=now, etag="")


def refresh_calendars(*, now: dt.datetime, dry_run=False, network=NETWORK) -> int:
    """Read the calendars that are due; how many were read or tried. Each by one worker at a time.

    Several are fetched at once, without a database; a round ends after a minute whatever is left.
    """
    due = CalendarImport.objects.due(now).filter(mentor__user__is_active=True)
    if dry_run:
        return due.count()
    began, tried = timezone.now(), 0
    calendars = list(due.select_related("mentor"))
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="calendars") as pool:
        for batch in _batches(calendars):
            if timezone.now() - began > dt.timedelta(seconds=ROUND_SECONDS):
                break
            claimed = [calendar for calendar in batch if _claim(calendar, now)]
            outcomes = pool.map(lambda calendar: _read(calendar, now, network), claimed)
            for calendar, outcome in zip(claimed, outcomes, strict=True):
                tried += 1
                try:
                    keep_outcome(calendar, outcome, zone=calendar.mentor.timezone, now=now)
                except Exception:  # the others' results are not lost for it; this one is read again
                    logger.exception("calendar %s could not be written", calendar.pk)
    return tried


def refresh_calendar(calendar, *, now, network=NETWORK):
    """Read one calendar now."""
    keep_outcome(calendar, _read(calendar, now, network), zone=calendar.mentor.timezone, now=now)


@patiently
@transaction.atomic
def keep_outcome(calendar, outcome: Outcome, *, zone, now):
    """Write down what reading the calendar for that time zone brought. When it failed, what was busy stays busy."""
    limit_waiting()
    profile = locks.lock_mentor(calendar.mentor_id)
    calendar = CalendarImport.objects.filter(pk=calendar.pk, url=calendar.url).first()
    if calendar is None:
        return  # removed in the meantime
    if outcome.problem:
        _note_failure(calendar, profile, outcome.problem, now)
        return
    if outcome.busy is not None:
        _replace_busy_times(calendar, profile, outcome.busy, now)
        calendar.fetched_at = now
    calendar.etag = f"{zone} {outcome.etag}" if outcome.etag else ""
    calendar.failures, calendar.error = 0, ""
    calendar.next_fetch_at = now + EVERY
    calendar.save(update_fields=["fetched_at", "etag", "failures", "error", "next_fetch_at"])


def _batches(calendars):
    return (calendars[first : first + AT_ONCE] for first in range(0, len(calendars), AT_ONCE))


def _claim(calendar, now):
    """Whether it is ours to read: of two workers one gets it, and one that dies is followed by another."""
    unclaimed = CalendarImport.objects.filter(pk=calendar.pk, next_fetch_at=calendar.next_fetch_at)
    return unclaimed.update(next_fetch_at=now + CLAIM_HOLDS)


def _read(calendar, now, network):
    zone, _space, etag = calendar.etag.partition(" ")
    is_fresh = calendar.fetched_at is not None and now - calendar.fetched_at < READ_ANEW_AFTER
    # What was read for another zone of the mentor has its days elsewhere.
    is_fresh = is_fresh and zone == calendar.mentor.timezone
    return calendar_import.read_calendar(
        calendar.url,
        etag=etag if is_fresh else "",
        zone=calendar.mentor.timezone,
        own_uids=calendar_files.own_uids(),
        now=now,
        network=network,
    )


def _replace_busy_times(calendar, profile, busy, now):
    """Only what differs is written. Afterwards what was freed is offered, and what was taken is not."""
    before = {(row.starts_at, row.ends_at): row.pk for row in calendar.busy_times.all()}
    wanted = set(busy)
    gone = {times: pk for times, pk in before.items() if times not in wanted}
    ids = list(gone.values())
    for first in range(0, len(ids), 500):
        BusyTime.objects.filter(pk__in=ids[first : first + 500]).delete()
    new = [times for times in busy if times not in before]
    BusyTime.objects.bulk_create(
        [
            BusyTime(
                kind=BusyTime.Kind.CALENDAR,
                mentor=profile,
                calendar=calendar,
                starts_at=start,
                ends_at=end,
                blocked_from=start,
                blocked_until=end,
            )
            for start, end in new
        ],
        batch_size=500,
    )
    if any(end > now for _start, end in gone):
        history.time_is_free_again([profile], now=now)
    elif new:
        history.refresh_next_free([profile], now=now)


def _note_failure(calendar, profile, problem, now):
    calendar.failures += 1
    calendar.error = problem
    calendar.next_fetch_at = now + min(EVERY * 2 ** min(calendar.failures - 1, 8), LONGEST_BACK_OFF)
    calendar.save(update_fields=["failures", "error", "next_fetch_at"])
    if calendar.failures >= TELL_AFTER:
        # Once for each time that it breaks: until it has been read again, the occasion is the same.
        last_read = f"{calendar.fetched_at:%Y%m%dT%H%M%S}" if calendar.fetched_at else "never"
        with speaking_to(profile.user):
            told = describe(problem)
        notify(
            profile.user,
            kind=Kind.CALENDAR_BROKEN,
            occasion=f"calendar:{calendar.pk}:{last_read}",
            url=reverse("bookings:calendar_settings"),
            context={"calendar": calendar, "problem": told},
        )
