"""Loads what `mentors.matching` judges: which mentors fit a ticket, and in which order open tickets stand for a mentor.

Both take a fixed number of queries, and of the thousands of rows that are looked at only numbers are loaded; people and
texts come with the few that are shown.
"""

import datetime as dt
import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from django.db.models import Case, Count, Func, IntegerField, OuterRef, Subquery, TextField, Value, When
from django.db.models.functions import Coalesce, Left
from django.utils.translation import gettext_lazy as _

from mentorbook import markdown
from mentorbook.errors import NotAllowed
from mentors import matching
from mentors.matching import Band, Facts, Match, SharedTags, Waits
from mentors.models import MentorProfile, ProvenSkill, Tag
from tickets.models import Ticket

Expertise = MentorProfile.expertise.through
EXCERPT_LENGTH = 160
# What the excerpt is made of: enough for its words and some markup between them.
BEGINNING_LENGTH = 500


def rarities(tags=None) -> dict[int, float]:
    """How much sharing each of these tags (ids; all, unless given) says, of those that an approved mentor has. Two
    queries."""
    approved = MentorProfile.Approval.APPROVED
    mentors = MentorProfile.objects.filter(approval=approved).count()
    rows = Expertise.objects.filter(mentorprofile__approval=approved)
    if tags is not None:
        rows = rows.filter(tag__in=tags)
    counted = rows.order_by().values_list("tag").annotate(Count("pk"))
    return {tag: matching.rarity(mentors=mentors, with_tag=with_tag) for tag, with_tag in counted}


# --- Mentors for a ticket ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class MentorMatch:
    mentor: MentorProfile
    match: Match

    @property
    def score(self):
        return self.match.score

    @property
    def reasons(self):
        return self.match.reasons


def mentors_for(ticket, *, now: dt.datetime, limit: int = 5) -> list[MentorMatch]:
    """The mentors who fit `ticket` best, best first, with their people: those who could take it now, share a tag with
    it, did not ask it and have not had it yet. Eight queries."""
    names = {tag.pk: tag.name for tag in ticket.tags.all()}
    rarity = {names[tag]: value for tag, value in rarities(names).items()}
    proven = proven_by_mentor(names, now)
    helped = set(
        Ticket.objects.filter(student=ticket.student_id, status__in=Ticket.SOLVED).values_list("mentor", flat=True)
    )
    scored = []
    for pk, capacity, assigned, rating_count, rating_sum, answered, response in _candidates(ticket, names):
        if assigned < capacity and pk in proven:
            facts = Facts(
                proven[pk], rating_count, rating_sum, answered, response, assigned, capacity, has_helped=pk in helped
            )
            scored.append((matching.score(facts, rarity), pk))
    best = heapq.nsmallest(limit, scored, key=lambda it: (-it[0].score, it[1]))
    people = MentorProfile.objects.select_related("user").defer("bio", "search_text", "user__bio")
    people = people.in_bulk([pk for _match, pk in best])
    return [MentorMatch(people[pk], match) for match, pk in best if pk in people]


def mentors_shown_to(viewer, ticket, *, now: dt.datetime) -> list[MentorMatch]:
    """The same for whoever asked, and for staff; refuses everybody else with NotAllowed."""
    if not ticket.is_asked_by(viewer) and not viewer.is_staff:
        raise NotAllowed(_("Only the person who asked sees who could help."))
    return mentors_for(ticket, now=now)


def _candidates(ticket, tags):
    """The numbers of those whom nothing rules out but, maybe, their capacity."""
    had_it = ticket.events.filter(mentor__isnull=False).values("mentor")
    assigned = Ticket.objects.assigned().filter(mentor=OuterRef("pk")).order_by().values("mentor")
    return (
        MentorProfile.objects.listed()
        .filter(status=MentorProfile.Status.AVAILABLE, pk__in=_ids_with(tags))
        .exclude(user=ticket.student_id)
        .exclude(pk__in=had_it)
        .order_by()
        .values_list(
            "pk",
            "tickets_at_once",
            Coalesce(Subquery(assigned.values(number=Count("pk"))), 0),
            "rating_count",
            "rating_sum",
            "tickets_answered",
            "first_response_minutes",
        )
    )


def _ids_with(tags):
    return Expertise.objects.filter(tag__in=list(tags)).values("mentorprofile")


def proven_by_mentor(names, now):
    """Mentor's id → name of each of these tags that they list → what solved tickets prove. `names` by tag id. Two
    queries."""
    proven = {}
    for mentor, tag in Expertise.objects.filter(tag__in=list(names)).values_list("mentorprofile_id", "tag_id"):
        proven.setdefault(mentor, {})[names[tag]] = 0.0
    skills = ProvenSkill.objects.filter(tag__in=list(names), weight__gt=0)
    for mentor, tag, weight, since in skills.values_list("mentor_id", "tag_id", "weight", "weighed_at"):
        if (listed := proven.get(mentor)) and names[tag] in listed:
            listed[names[tag]] = matching.decayed(weight, since=since, now=now)
    return proven


# --- Tickets for a mentor ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Capacity:
    """How many tickets a mentor has in work, of how many at once."""

    assigned: int
    limit: int

    @classmethod
    def of(cls, profile):
        return cls(Ticket.objects.for_mentor(profile).assigned().count(), profile.tickets_at_once)

    @property
    def has_room(self):
        return self.assigned < self.limit


@dataclass(frozen=True)
class QueueRow:
    ticket: Ticket
    band: Band
    matching_tags: list[Tag]
    other_tags: list[Tag]
    reasons: tuple

    @property
    def excerpt(self):
        """Made only where it is shown: it costs more than the row."""
        return markdown.plain(self.ticket.beginning, EXCERPT_LENGTH)


class Joined(Func):
    """Numbers of a group as one text, "3,17", or NULL for none: one row a ticket, not one a tag, halves the time."""

    function = "GROUP_CONCAT"
    output_field = TextField()

    def as_postgresql(self, compiler, connection, **context):
        template = "STRING_AGG(%(expressions)s::text, ',' ORDER BY %(expressions)s)"
        return self.as_sql(compiler, connection, template=template, **context)


def _ids(text):
    return [int(number) for number in text.split(",")] if text else []


class Queue(Sequence):
    """The open tickets that `profile` may take, best first; its slices are lists of QueueRow.

    Ordered by band, longest waiting first within a band (`mentors.matching.band`). `fitting_only` ends it where tickets
    neither fit nor have waited for long; `tags` are Tag rows, all of which a ticket must have. Five queries, and two
    for a slice.
    """

    def __init__(self, profile, *, now: dt.datetime, tags=(), fitting_only=False):
        self.now = now
        self.expertise = {tag.pk: tag for tag in profile.expertise.all()}
        self._rarities = rarities()
        self._proven = self._proven_of(profile)
        rows = Ticket.objects.queue_for(profile.user).with_tags(*tags)
        bands = {band: [] for band in Band}
        by_waiting = [matching.band(0.0, climbed=climbed) for climbed in range(len(Band))]
        band_of = cache(self._band)  # many tickets have the same tags
        self._tag_texts = Counter()
        for ticket, climbed, tags_text in self._light(rows):
            # Knowing its tags cannot lift a ticket that waiting has lifted to the top.
            band = Band.STRONG if by_waiting[climbed] == Band.STRONG else band_of(tags_text, climbed)
            if fitting_only and band == Band.NONE:
                continue
            bands[band].append((ticket, band))
            self._tag_texts[tags_text] += 1
        self._places = [place for band in Band for place in bands[band]]

    def __len__(self):
        return len(self._places)

    def __getitem__(self, index):
        if isinstance(index, slice):
            return self._rows(self._places[index])
        return self._rows([self._places[index]])[0]

    def own_tags(self):
        """The mentor's tags that open tickets here have, as (tag, number of tickets), the most wanted first."""
        numbers = Counter()
        for text, tickets in self._tag_texts.items():
            for tag in _ids(text):
                numbers[tag] += tickets
        found = [(tag, numbers[pk]) for pk, tag in self.expertise.items() if numbers[pk]]
        return sorted(found, key=lambda it: (-it[1], it[0].name))

    def _proven_of(self, profile):
        skills = profile.proven_skills.filter(tag__in=list(self.expertise)).values_list("tag", "weight", "weighed_at")
        weights = {tag: matching.decayed(weight, since=since, now=self.now) for tag, weight, since in skills}
        return {tag: weights.get(tag, 0.0) for tag in self.expertise if tag in self._rarities}

    def _band(self, tags_text, climbed):
        return matching.band(self._fit(_ids(tags_text)), climbed=climbed)

    def _fit(self, tags):
        shared = {tag: self._proven[tag] for tag in tags if tag in self._proven}
        if not shared:
            return 0.0
        return matching.fit(shared, {tag: self._rarities[tag] for tag in tags if tag in self._rarities})

    def _light(self, rows):
        """(id, steps climbed, ids of its tags as text) of each ticket, longest waiting first. One query."""
        moments = matching.climbed_before(self.now)
        steps = [When(opened_at__lte=moment, then=Value(steps)) for steps, moment in enumerate(moments, start=1)]
        climbed = Case(*reversed(steps), default=Value(0), output_field=IntegerField())
        tags = Ticket.tags.through.objects.filter(ticket=OuterRef("pk")).order_by().annotate(ids=Joined("tag_id"))
        return rows.order_by("opened_at", "pk").values_list("pk", climbed, Subquery(tags.values("ids")))

    def _rows(self, places):
        # Asked again whether they are open, because somebody may have taken one meanwhile.
        tickets = Ticket.objects.open().for_rows().annotate(beginning=Left("description", BEGINNING_LENGTH))
        found = tickets.in_bulk([pk for pk, _band in places])
        return [self._row(found[pk], band) for pk, band in places if pk in found]

    def _row(self, ticket, band):
        tags = {tag.name: tag for tag in ticket.tags.all()}
        shared = {tag.name: self._proven[tag.pk] for tag in tags.values() if tag.pk in self._proven}
        names = matching.strongest_first(shared, {name: self._rarities[tags[name].pk] for name in shared})
        fits = (SharedTags(names),) if names else ()
        return QueueRow(
            ticket=ticket,
            band=band,
            matching_tags=[tags[name] for name in names],
            other_tags=[tag for name, tag in tags.items() if name not in shared],
            reasons=(*fits, Waits(max(0, (self.now - ticket.opened_at) // dt.timedelta(minutes=1)))),
        )
