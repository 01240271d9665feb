"""Finds mentor-and-time pairs for somebody who says what about, how long, when and for how many points at most.

Whoever is bookable is looked at, but for the student and the members of the group that the session is for. Ruled out is
who shares none of the tags, does not offer the length or costs more than the highest price. A pair's score is

    S · E

S  the mentor's score of `mentors.matching`: how much of the tags the mentor knows (1 for everybody where none are
   asked for) times what ratings, answers and earlier help add. How many tickets a mentor has in work says nothing about
   sessions, so L is 1 for everybody.
E  2^(-d/h), d the days from the beginning of the wanted time (or from now) to the start and h `half_life_days` of
   `settings.SCHEDULING`: a start h days later has to be twice as good to stand beside an earlier one.

So somebody who is good tomorrow stands before somebody a little better next week, and who hardly knows the subject
stands before nobody who does. Equal scores are ordered by start, then by price. Each mentor stands in the list once,
with the first free start in the wanted hours and up to two more to choose from.

All of it takes the same number of queries for one mentor and for thousands: only numbers are loaded of those who are
looked at, and their calendars at once; people come with the few that are shown. E is at most 1, so whoever scores less
than the last pair of a full list is not even asked for a free start.
"""

import bisect
import datetime as dt
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, NamedTuple

from django.conf import settings

from accounts.models import Membership, ProjectGroup
from bookings import slots, terms
from bookings.availability import TERMS, Calendar, load_calendars
from bookings.models import DAY_MINUTES, Appointment
from bookings.slots.local_days import MINUTE, clock_of, instant, utc_datetime
from mentors import matching
from mentors.matching import Facts
from mentors.models import SESSION_MINUTES, MentorProfile, Tag
from tickets.matching import proven_by_mentor, rarities
from tickets.models import Ticket

DAY = dt.timedelta(days=1)
LONGEST_RANGE_DAYS = 62
MORE_TIMES = 2
# Of the loosened dates: how far behind the wanted ones somebody may be free.
LOOK_FURTHER = 28 * DAY
FACTS = ("rating_count", "rating_sum", "tickets_answered", "first_response_minutes", "hourly_rate_points")

Stretch = tuple[dt.datetime, dt.datetime]


# --- What is wanted ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wanted:
    """What somebody looks for. Days and hours are those of `zone`, the highest price is for the whole session. Where
    `since` or `until` is named, the session lies wholly on this side of it."""

    duration_minutes: int
    first: dt.date
    last: dt.date
    zone: str
    highest_price_points: int
    tags: tuple[Tag, ...] = ()
    from_minute: int = 0
    to_minute: int = DAY_MINUTES
    group: ProjectGroup | None = None
    pays_from_group: bool = False
    ticket: Ticket | None = None
    since: dt.datetime | None = None
    until: dt.datetime | None = None

    @property
    def has_hours(self) -> bool:
        """Whether only some hours of the day will do."""
        return (self.to_minute - self.from_minute) % DAY_MINUTES != 0

    def stretches(self) -> list[Stretch]:
        """In which [since, until) a session may start, ascending.

        It lies wholly within the wanted hours, which run into the next day where their end is not after their
        beginning; the last day's too. Without hours it starts on one of the days, and ends when it ends.
        """
        since = self.since or dt.datetime.min.replace(tzinfo=dt.UTC)
        after_last_start = dt.datetime.max.replace(tzinfo=dt.UTC)
        if self.until is not None:
            after_last_start = self.until - dt.timedelta(minutes=self.duration_minutes) + dt.timedelta(seconds=1)
        cut = ((max(begins, since), min(ends, after_last_start)) for begins, ends in self._stretches_of_days())
        return [(begins, ends) for begins, ends in cut if begins < ends]

    def _stretches_of_days(self) -> list[Stretch]:
        first, last = self.first.toordinal(), self.last.toordinal()
        if not self.has_hours:
            return [(slots.local_day_bounds(self.zone, self.first)[0], slots.local_day_bounds(self.zone, self.last)[1])]
        over_midnight = self.to_minute <= self.from_minute
        stretches = []
        for day in range(first, last + 1):
            opens = instant(self.zone, day, self.from_minute)
            closes = instant(self.zone, day + over_midnight, self.to_minute)
            after_last_start = closes - self.duration_minutes * MINUTE + 1
            if opens < after_last_start:
                stretches.append((utc_datetime(opens), utc_datetime(after_last_start)))
        return stretches


def tags_called(names: Sequence[str]) -> tuple[tuple[Tag, ...], list[str]]:
    """The tags that these normalised names find, each once, and the names that find none."""
    found = Tag.objects.by_spelling(names) if names else {}
    return tuple(dict.fromkeys(found[name] for name in names if name in found)), [n for n in names if n not in found]


def those_within(starts: Sequence[dt.datetime], stretches: Iterable[Stretch]) -> list[dt.datetime]:
    """Of ascending `starts` those in one of the ascending stretches."""
    found: list[dt.datetime] = []
    for since, until in stretches:
        found += starts[bisect.bisect_left(starts, since) : bisect.bisect_left(starts, until)]
    return found


def to_choose_from(starts: Sequence[dt.datetime], zone) -> list[dt.datetime]:
    """The first of the ascending `starts`, and up to two more: on other days, as far as there are any."""
    first_of_days: dict[dt.date, dt.datetime] = {}
    for start in starts:
        if len(first_of_days) > MORE_TIMES:
            break
        first_of_days.setdefault(start.astimezone(zone).date(), start)
    chosen = list(first_of_days.values())
    others = (start for start in starts if start not in chosen)
    return sorted([*chosen, *(start for start, _ in zip(others, range(MORE_TIMES + 1 - len(chosen)), strict=False))])


def earliness(starts_at: dt.datetime, since: dt.datetime) -> float:
    """E, from 0 to 1: what is left of a score after waiting from `since` for the start."""
    return 0.5 ** (max(0.0, (starts_at - since) / DAY) / settings.SCHEDULING["half_life_days"])


class Ranked(NamedTuple):
    """A candidate with free starts, the first of which is the pair's; in the order of the list."""

    minus_score: float
    starts_at: dt.datetime
    price_points: int
    mentor_id: int
    starts: list[dt.datetime]


def best_of(
    scored: Iterable[tuple[float, int, int]],
    starts_of: Callable[[int], list[dt.datetime]],
    *,
    since: dt.datetime,
    limit: int,
) -> list[Ranked]:
    """The `limit` best, best first, of (S, price, mentor's id). Asks for the starts of no more than it has to."""
    best: list[Ranked] = []
    for score, price_points, mentor_id in sorted(scored, key=lambda it: -it[0]):
        if len(best) == limit and score < -best[-1].minus_score:
            break
        if starts := starts_of(mentor_id):
            pair_score = score * earliness(starts[0], since)
            bisect.insort(best, Ranked(-pair_score, starts[0], price_points, mentor_id, starts))
            del best[limit:]
    return best


# --- What is found ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FreeAt:
    """The reason that speaks for the time; beside those of `mentors.matching`."""

    starts_at: dt.datetime
    kind: ClassVar[str] = "free"


@dataclass(frozen=True)
class Pair:
    """A mentor, a time that can be booked now, and why they are proposed. `more` are other free starts."""

    mentor: MentorProfile
    starts_at: dt.datetime
    ends_at: dt.datetime
    price_points: int
    score: float
    reasons: tuple
    more: tuple[dt.datetime, ...] = field(default=())

    def cancel_free_until(self, starts_at: dt.datetime) -> dt.datetime:
        return terms.cancel_free_until(starts_at, self.mentor.cancellation_notice_hours)


def best_pairs(wanted: Wanted, *, student, now: dt.datetime, limit: int = 10) -> list[Pair]:
    """The best pairs, best first, each mentor once. At most twelve queries, however many mentors there are."""
    stretches = [(since, until) for since, until in wanted.stretches() if until > now]
    names = {tag.pk: tag.name for tag in wanted.tags}
    proven = proven_by_mentor(names, now) if names else {}
    candidates = {
        row.pk: row for row in _candidates(wanted, student) if _fits(row, wanted) and (not names or row.pk in proven)
    }
    if not candidates or not stretches:
        return []
    since, until = max(now, stretches[0][0]), stretches[-1][1]
    calendars = load_calendars(candidates.values(), now=now, since=since, until=until, student=student)
    matches = dict(_matches(candidates, names, proven, student))

    def starts_of(mentor_id):
        return _starts(calendars[mentor_id], wanted.duration_minutes, stretches, since)

    scored = [(match.score, _price(candidates[pk], wanted.duration_minutes), pk) for pk, match in matches.items()]
    best = best_of(scored, starts_of, since=since, limit=limit)
    people = MentorProfile.objects.select_related("user").defer("bio", "search_text", "user__bio")
    people = people.in_bulk([ranked.mentor_id for ranked in best])
    length = dt.timedelta(minutes=wanted.duration_minutes)
    zone = clock_of(wanted.zone)
    pairs = []
    for ranked in best:
        if ranked.mentor_id in people:
            _first, *more = to_choose_from(ranked.starts, zone)
            pairs.append(
                Pair(
                    mentor=people[ranked.mentor_id],
                    starts_at=ranked.starts_at,
                    ends_at=ranked.starts_at + length,
                    price_points=ranked.price_points,
                    score=-ranked.minus_score,
                    reasons=(*matches[ranked.mentor_id].reasons, FreeAt(ranked.starts_at)),
                    more=tuple(more),
                )
            )
    return pairs


def _candidates(wanted, student):
    """The numbers of those whom nothing but time, length and price rules out: rows as `load_calendars` wants them."""
    rows = MentorProfile.objects.bookable().exclude(user=student.pk)
    if wanted.tags:
        tagged = MentorProfile.expertise.through.objects.filter(tag__in=[tag.pk for tag in wanted.tags])
        rows = rows.filter(pk__in=tagged.values("mentorprofile"))
    if wanted.group is not None:
        rows = rows.exclude(user__in=Membership.objects.filter(group=wanted.group).values("user"))
    return rows.order_by().values_list(*TERMS, *FACTS, named=True)


def _price(row, duration_minutes):
    return MentorProfile.price_points(row, duration_minutes)  # the one formula; it needs no more than the rate


def _fits(row, wanted):
    minutes = wanted.duration_minutes
    return minutes in row.session_minutes and _price(row, minutes) <= wanted.highest_price_points


def _matches(candidates, names, proven, student):
    """(mentor's id, `matching.Match`) of each candidate."""
    rarity = {names[tag]: value for tag, value in rarities(names).items()} if names else {}
    solved = Ticket.objects.filter(student=student, status__in=Ticket.SOLVED).order_by()
    held = Appointment.objects.filter(student=student, status=Appointment.Status.COMPLETED).order_by()
    helped = {*solved.values_list("mentor", flat=True), *held.values_list("mentor", flat=True)}
    for pk, row in candidates.items():
        facts = Facts(
            proven=proven.get(pk, {}),
            rating_count=row.rating_count,
            rating_sum=row.rating_sum,
            answered=row.tickets_answered,
            first_response_minutes=row.first_response_minutes,
            has_helped=pk in helped,
        )
        yield pk, matching.score(facts, rarity, fits=None if names else 1.0)


def _starts(calendar: Calendar, duration_minutes, stretches, since):
    starts = calendar.free_starts(duration_minutes=duration_minutes, since=since, until=stretches[-1][1])
    return those_within(starts, stretches)


# --- Nothing was found ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Loosened:
    """How many mentors would have time if one filter were looser. `value` is what it would have to be: nothing for
    `tags` and `hours`, minutes for `length`, points for `price`, the first day with a free time for `dates`."""

    kind: str
    mentors: int
    value: object = None


def what_to_loosen(wanted: Wanted, *, student, now: dt.datetime) -> list[Loosened]:
    """Which one filter stands in the way, for a wish to which `best_pairs` found nothing; what helps most comes first.

    Six queries at most: everybody's calendar is loaded once for all the answers.
    """
    everybody = list(_candidates(replace(wanted, tags=()), student))
    tagged = {row.pk for row in _candidates(wanted, student)} if wanted.tags else {row.pk for row in everybody}
    if not everybody:
        return []
    today = now.astimezone(clock_of(wanted.zone)).date()
    further = replace(wanted, first=today, last=max(wanted.last, today) + LOOK_FURTHER)
    until = slots.local_day_bounds(wanted.zone, further.last + 2 * DAY)[1]
    calendars = load_calendars(everybody, now=now, until=until, student=student)

    def free(rows, wish):
        """The first free start of each of the rows that has one."""
        stretches = [(since, until) for since, until in wish.stretches() if until > now]
        if not stretches:
            return {}
        since = max(now, stretches[0][0])
        found = ((row.pk, _starts(calendars[row.pk], wish.duration_minutes, stretches, since)) for row in rows)
        return {pk: starts[0] for pk, starts in found if starts}

    knowing = [row for row in everybody if row.pk in tagged]
    fitting = [row for row in knowing if _fits(row, wanted)]
    found = []
    if wanted.tags:
        found.append(Loosened("tags", len(free([row for row in everybody if _fits(row, wanted)], wanted))))
    if wanted.has_hours:
        found.append(Loosened("hours", len(free(fitting, replace(wanted, from_minute=0, to_minute=DAY_MINUTES)))))
    if later := free(fitting, further):
        found.append(Loosened("dates", len(later), min(later.values())))
    minutes = wanted.duration_minutes
    too_dear = [row for row in knowing if minutes in row.session_minutes and not _fits(row, wanted)]
    if dear := free(too_dear, wanted):
        found.append(Loosened("price", len(dear), min(_price(row, minutes) for row in too_dear if row.pk in dear)))
    lengths = []
    for other in (replace(wanted, duration_minutes=length) for length in SESSION_MINUTES if length != minutes):
        rows = [row for row in knowing if _fits(row, other)]
        lengths.append(Loosened("length", len(free(rows, other)), other.duration_minutes))
    found.append(max(lengths, key=lambda it: it.mentors))
    return sorted((one for one in found if one.mentors), key=lambda it: -it.mentors)
