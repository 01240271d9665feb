"""Tickets for the demo data, in bulk: each with its conversation and history, as the actions would have left it.

Built in batches from a plan by number, oldest first, so that a million need no more memory than a thousand. Rows get
their ids here, because a solved ticket and its solution name each other.
"""

import datetime as dt
import random
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from statistics import median

from django.core.management.color import no_style
from django.db import connection

from feedback.models import EDITABLE_FOR, Review
from mentorbook.demo import filler, texts
from mentorbook.demo.questions import MENTOR, QUESTIONS
from mentors.matching import decayed
from mentors.models import MentorProfile, ProvenSkill, Tag
from tickets.actions.figures import LAST
from tickets.models import Bookmark, Reply, Ticket, TicketEvent, Upvote

Status, Side, Kind = Ticket.Status, Ticket.Side, TicketEvent.Kind
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
BATCH = 2_000
CLOSES_AFTER = 7 * DAY
DELETED = (7, 31)  # which numbers
HIDDEN = 19
TITLES = sum(len(question.titles) for question in QUESTIONS)


@dataclass
class Figures:
    """What a mentor's tickets add up to."""

    solved: int = 0
    responses: deque = field(default_factory=lambda: deque(maxlen=LAST))
    solutions: deque = field(default_factory=lambda: deque(maxlen=LAST))
    skills: dict = field(default_factory=dict)  # tag id → (weight, weighed at)

    def add_solution(self, ticket, tag_ids):
        self.solved += 1
        self.solutions.append((ticket.resolved_at - ticket.assigned_at) / MINUTE)
        for tag_id in tag_ids:
            weight, since = self.skills.get(tag_id, (0.0, ticket.resolved_at))
            now = max(since, ticket.resolved_at)
            earlier = decayed(weight, since=since, now=now)
            self.skills[tag_id] = (earlier + decayed(1.0, since=ticket.resolved_at, now=now), now)


class TicketBuilder:
    """Adds `count` tickets to the people that `demo` (a DemoBuilder) has made and saved."""

    def __init__(self, demo, count):
        self.demo = demo
        self.count = count
        self.now = demo.now
        self.random = random.Random(f"tickets {demo.seed}")  # noqa: S311 - demo data, nothing secret
        names = {name for question in QUESTIONS for name in question.tags}
        self.tags = {tag.name: tag.pk for tag in Tag.objects.filter(name__in=names)}
        self.mentors = [mentor for mentor in demo.mentors if mentor.is_approved]
        self.mentors_by_tag = defaultdict(list)
        for index, mentor in enumerate(demo.mentors):
            if mentor.is_approved:
                for name in texts.SPECIALTIES[index % len(texts.SPECIALTIES)][1]:
                    self.mentors_by_tag[name].append(mentor)
        of_max = set(texts.SPECIALTIES[0][1])
        self.of_max = [question for question in QUESTIONS if of_max & set(question.tags)]
        self.open = min(max(12, count // 400), 3_000)
        self.assigned = min(max(14, count // 100), 2 * len(self.mentors))
        self.resolved = max(14, count // 60)
        self.load = Counter()  # tickets in work by mentor
        self.waiting = Counter()  # open ones by student
        self.used = Counter()  # titles, by the first one of their question
        self.figures = defaultdict(Figures)
        self.next_ids = {model: self._last_id(model) + 1 for model in (Ticket, Reply)}

    def build(self):
        with self.demo.progress("tickets", self.count) as advance:
            for first in range(0, self.count, BATCH):
                numbers = range(first, min(first + BATCH, self.count))
                self._save([self._ticket(number) for number in numbers])
                advance(len(numbers))
        self._save_figures()
        self._reset_sequences()

    # --- one ticket ---------------------------------------------------------------------------------------------------

    def _ticket(self, number):
        """A ticket with all that hangs on it. The last numbers are those still in work."""
        left = self.count - 1 - number
        if left < self.open:
            return self._built(number, Status.OPEN, left)
        left -= self.open
        if left < self.assigned:
            return self._built(number, Status.ASSIGNED, left)
        left -= self.assigned
        if left < self.resolved:
            return self._built(number, Status.RESOLVED, left)
        return self._built(number, Status.DELETED if number in DELETED else Status.CLOSED, left - self.resolved)

    def _built(self, number, status, place):
        question, turn = self._question(number, status, place)
        mentor = None if status in (Status.OPEN, Status.DELETED) else self._mentor(question, status, place)
        student = self._student(status, place)
        asked = self._asked_at(status, place)
        ticket = Ticket(
            pk=self._id(Ticket),
            student=student,
            mentor=mentor,
            status=status,
            title=self._title(question, turn),
            description=self._description(question, turn),
            is_public=self.random.random() > 0.12,
            created_at=asked,
            opened_at=asked,
            waiting_since=asked,
            waiting_on=Side.MENTOR,
            active_at=asked,
        )
        built = Built(ticket, [self.tags[name] for name in question.tags], self)
        built.event(Kind.CREATED, "", Status.OPEN, asked, by=student)
        if status == Status.DELETED:
            built.delete(asked + HOUR)
        elif status != Status.OPEN:
            built.talk(question, finish=status, place=place)
        if number == HIDDEN and status == Status.CLOSED:
            built.hide(self.demo.staff)
        return built

    def _question(self, number, status, place):
        """A question, and how many have asked it before: one that still has a title of its own, while there are any."""
        for_max = (status == Status.OPEN and place in (1, 2, 3)) or self._is_of_max(status, place)
        pool = self.of_max if for_max else QUESTIONS
        question = pool[number % len(pool)]
        if status == Status.DELETED:
            return question, 0  # of which nothing is left
        if self.used.total() < TITLES:
            turned = [pool[(number + step) % len(pool)] for step in range(len(pool))]
            # The last title of a question that fits Max is for him, unless there is no other.
            kept = [0] if for_max else [1, 0]
            left = (other for keep in kept for other in turned if self._titles_left(other, keep))
            question = next(left, question)
        self.used[question.titles[0]] += 1
        return question, self.used[question.titles[0]] - 1

    def _titles_left(self, question, keep):
        return len(question.titles) - self.used[question.titles[0]] > (keep if question in self.of_max else 0)

    def _is_of_max(self, status, place):
        """Whether Max, whom the demo's visitors sign in as, has this one."""
        if status == Status.ASSIGNED:
            return place in (1, 2)
        return status in Ticket.SOLVED and place % 14 == 0 and place < 400

    def _mentor(self, question, status, place):
        if self._is_of_max(status, place):
            chosen = self.demo.mentors[0]
        else:
            fitting = [mentor for name in question.tags for mentor in self.mentors_by_tag[name]] or self.mentors
            for _attempt in range(20):
                chosen = self.random.choice(fitting)
                if status != Status.ASSIGNED:
                    break
                if chosen is not self.demo.mentors[0] and self.load[chosen.pk] < chosen.tickets_at_once - 1:
                    break
                fitting = self.mentors
        if status == Status.ASSIGNED:
            self.load[chosen.pk] += 1
        return chosen

    def _student(self, status, place):
        ann = self.demo.students[0]
        if (place == 0 and status != Status.DELETED) or (status == Status.CLOSED and place % 12 == 5 and place < 100):
            return ann
        student = self.random.choice(self.demo.students[1:])
        while status == Status.OPEN and self.waiting[student.pk] >= 3:
            student = self.random.choice(self.demo.students[1:])
        if status == Status.OPEN:
            self.waiting[student.pk] += 1
        return student

    def _asked_at(self, status, place):
        if status == Status.OPEN:
            return self.now - 20 * MINUTE - place * 60 * HOUR / self.open
        if status == Status.ASSIGNED:
            return self.now - 24 * HOUR - place * 3 * DAY / self.assigned
        if status == Status.RESOLVED:
            return self.now - 2 * DAY - place * 3 * DAY / self.resolved
        solved_long_ago = self.count - self.open - self.assigned - self.resolved
        return self.now - 13 * DAY - place * (self.demo.scale.days_back - 13) * DAY / solved_long_ago

    def _title(self, question, turn):
        title = question.titles[turn % len(question.titles)]
        return title if turn < len(question.titles) else f"{title}: {filler.subject(self.random)}"

    def _description(self, question, turn):
        parts = [question.openings[turn % len(question.openings)], question.details]
        if turn >= len(question.titles):
            parts.append(filler.paragraph(self.random))
        return "\n\n".join(part for part in parts if part)

    # --- saving -------------------------------------------------------------------------------------------------------

    def _id(self, model):
        self.next_ids[model] += 1
        return self.next_ids[model] - 1

    @staticmethod
    def _last_id(model):
        return model.objects.order_by("-pk").values_list("pk", flat=True).first() or 0

    def _save(self, batch):
        Ticket.objects.bulk_create([built.ticket for built in batch])
        Ticket.tags.through.objects.bulk_create(
            [
                Ticket.tags.through(ticket_id=built.ticket.pk, tag_id=tag_id)
                for built in batch
                if built.ticket.status != Status.DELETED
                for tag_id in built.tag_ids
            ],
            batch_size=BATCH,
        )
        for model, rows in (
            (Reply, "replies"),
            (TicketEvent, "events"),
            (Upvote, "upvotes"),
            (Bookmark, "bookmarks"),
            (Review, "reviews"),
        ):
            model.objects.bulk_create([row for built in batch for row in getattr(built, rows)], batch_size=BATCH)

    def _save_figures(self):
        mentors = {mentor.pk: mentor for mentor in self.demo.mentors}
        skills = []
        for pk, figures in self.figures.items():
            mentor = mentors[pk]
            mentor.tickets_solved = figures.solved
            mentor.tickets_answered = figures.solved + self.load[pk]
            mentor.first_response_minutes = round(median(figures.responses)) if figures.responses else None
            mentor.solution_minutes = round(median(figures.solutions)) if figures.solutions else None
            skills += [
                ProvenSkill(mentor=mentor, tag_id=tag_id, weight=weight, weighed_at=since)
                for tag_id, (weight, since) in sorted(figures.skills.items())
            ]
        fields = ["tickets_solved", "tickets_answered", "first_response_minutes", "solution_minutes"]
        MentorProfile.objects.bulk_update([mentors[pk] for pk in self.figures], fields, batch_size=200)
        ProvenSkill.objects.bulk_create(skills, batch_size=BATCH)

    def _reset_sequences(self):
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), [Ticket, Reply]):
                cursor.execute(statement)


class Built:
    """A ticket under construction and the rows that hang on it."""

    def __init__(self, ticket, tag_ids, builder):
        self.ticket = ticket
        self.tag_ids = tag_ids
        self.builder = builder
        self.random = builder.random
        self.replies, self.events, self.upvotes, self.bookmarks, self.reviews = [], [], [], [], []

    def event(self, kind, before, after, when, *, by=None, mentor=None, reason=""):
        self.events.append(
            TicketEvent(
                ticket_id=self.ticket.pk,
                kind=kind,
                from_status=before,
                to_status=after,
                actor=by,
                mentor=mentor,
                reason=reason,
                created_at=when,
            )
        )
        self.ticket.active_at = when

    def reply(self, author, text, when, **fields):
        row = Reply(
            pk=self.builder._id(Reply), ticket_id=self.ticket.pk, author=author, text=text, created_at=when, **fields
        )
        self.replies.append(row)
        self.ticket.active_at = when
        return row

    def delete(self, when):
        self.ticket.title = self.ticket.description = ""
        self.ticket.waiting_on, self.ticket.is_public = "", False
        self.event(Kind.DELETED, Status.OPEN, Status.DELETED, when, by=self.ticket.student)

    def talk(self, question, *, finish, place):
        """Let the mentor take it, both write, and go as far as `finish` says."""
        ticket, student, mentor = self.ticket, self.ticket.student, self.ticket.mentor
        when = ticket.assigned_at = ticket.created_at + self._soon(20, 200)
        self.event(Kind.ACCEPTED, Status.OPEN, Status.ASSIGNED, when, by=mentor.user, mentor=mentor)
        talk = list(question.talk) or [(MENTOR, "I know this one and write it down for you.")]
        if finish == Status.ASSIGNED:
            # Every other one waits on its student, Ann's among them; a mentor has been awaited for less than a day.
            waits_on_student = place % 2 == 0
            talk = talk[:1] if waits_on_student else [talk[0], ("student", "I have tried that and it is still there.")]
        for who, text in talk:
            when += self._soon(15, 300)
            if finish == Status.ASSIGNED:
                when = min(when, self.builder.now - HOUR)
                if who != MENTOR:
                    when = max(when, self.builder.now - 20 * HOUR)
            author = mentor.user if who == MENTOR else student
            self.reply(author, text, when, is_useful=who != MENTOR and self.random.random() < 0.15)
            ticket.waiting_on, ticket.waiting_since = (Side.STUDENT if who == MENTOR else Side.MENTOR), when
            if who == MENTOR:
                ticket.first_response_at = ticket.first_response_at or when
        figures = self.builder.figures[mentor.pk]
        figures.responses.append((ticket.first_response_at - ticket.assigned_at) / MINUTE)
        if finish == Status.ASSIGNED:
            return
        if question.failed and self.random.random() < 0.5:
            when = self._fail(question.failed, when)
        when += self._soon(20, 400)
        ticket.solution_id = self.reply(mentor.user, question.solution, when, kind=Reply.Kind.SOLUTION).pk
        ticket.resolved_at = ticket.waiting_since = when
        ticket.waiting_on = Side.STUDENT
        self.event(Kind.RESOLVED, Status.ASSIGNED, Status.RESOLVED, when, by=mentor.user, mentor=mentor)
        figures.add_solution(ticket, self.tag_ids)
        if finish == Status.CLOSED:
            self._close(when)
        if ticket.is_public:
            self._readers()

    def _fail(self, failed, when):
        attempt, reason = failed
        ticket, mentor = self.ticket, self.ticket.mentor
        when += self._soon(20, 200)
        self.reply(mentor.user, attempt, when, kind=Reply.Kind.SOLUTION)
        self.event(Kind.RESOLVED, Status.ASSIGNED, Status.RESOLVED, when, by=mentor.user, mentor=mentor)
        when += self._soon(30, 300)
        self.event(
            Kind.REOPENED, Status.RESOLVED, Status.ASSIGNED, when, by=ticket.student, mentor=mentor, reason=reason
        )
        return when

    def _close(self, when):
        ticket, mentor = self.ticket, self.ticket.mentor
        if self.random.random() < 0.7:
            kind, by, when = Kind.CLOSED, ticket.student, when + self._soon(10, 1000)
        else:
            kind, by, when = Kind.CLOSED_BY_ITSELF, None, when + CLOSES_AFTER
        ticket.closed_at, ticket.waiting_on = when, ""
        self.event(kind, Status.RESOLVED, Status.CLOSED, when, by=by, mentor=mentor)
        if by and self.random.random() < 0.85:
            self._review(when)

    def _review(self, when):
        ticket, now = self.ticket, self.builder.now
        created = when + self._soon(5, 600)
        if created > now:
            return
        rating = self.random.choices([1, 2, 3, 4, 5], [1, 1, 4, 30, 64])[0]
        shown = created + EDITABLE_FOR
        self.reviews.append(
            Review(
                ticket_id=ticket.pk,
                author=ticket.student,
                recipient=ticket.mentor.user,
                about=Review.About.MENTOR,
                rating=rating,
                comment=self.random.choice(texts.MENTOR_REVIEWS[rating]),
                created_at=created,
                shown_at=shown,
                published_at=shown if shown <= now else None,
            )
        )
        if shown <= now:
            ticket.mentor.rating_count += 1
            ticket.mentor.rating_sum += rating

    def _readers(self):
        """Some articles help many people, most help a few."""
        ticket, students = self.ticket, self.builder.demo.students
        helped = min(int(self.random.paretovariate(1.1)) - 1, len(students) // 3)
        readers = self.random.sample(students, helped) if helped else []
        after = self.builder.now - ticket.resolved_at
        for reader in readers:
            if reader is ticket.student or reader.pk == ticket.mentor.user_id:
                continue
            when = ticket.resolved_at + after * self.random.random()
            self.upvotes.append(Upvote(ticket_id=ticket.pk, user=reader, created_at=when))
            if self.random.random() < 0.3:
                self.bookmarks.append(Bookmark(ticket_id=ticket.pk, user=reader, created_at=when))
        ticket.upvote_count = len(self.upvotes)

    def hide(self, staff):
        reason = "It names a person who did not agree to that."
        when = self.ticket.closed_at + DAY
        self.ticket.hidden_at, self.ticket.hidden_by, self.ticket.hidden_reason = when, staff, reason
        self.event(Kind.HIDDEN, Status.CLOSED, Status.CLOSED, when, by=staff, reason=reason)
        self.reply(staff, "A student wrote to us about the name in it; hidden until it is changed.", when, kind="note")

    def _soon(self, least, most):
        return dt.timedelta(minutes=self.random.randrange(least, most))
