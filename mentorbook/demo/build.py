"""Builds the demo data as rows, in bulk: one generator for a classroom and for a large university.

The rows are what the actions would have left behind over some months: every hold, return and payment is in the ledger
at the time it would have happened, so `check_ledger` has nothing to say; the database's constraints check the rest.
"""

import datetime as dt
import math
import random
from collections import defaultdict
from contextlib import nullcontext
from dataclasses import dataclass
from functools import lru_cache
from zoneinfo import ZoneInfo

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.contrib.contenttypes.models import ContentType
from django.db import transaction

from accounts.models import User
from bookings.actions import history
from bookings.models import Appointment, AppointmentEvent, DateOverride, Dispute, WeeklyHours
from feedback.models import Review
from mentorbook.demo import fates, questions, texts
from mentorbook.demo.tickets import TicketBuilder
from mentorbook.demo.together import Together
from mentors.actions import refresh_search_text
from mentors.models import MentorProfile, Tag, TagSynonym
from mentors.ratings import bayesian_mean
from notifications.models import Notification, OutgoingEmail
from wallets.models import Transaction, Transfer, Wallet

Status = Appointment.Status
HOUR = dt.timedelta(hours=1)
BATCH = 2000
TOP_UP_POINTS = 300


@dataclass(frozen=True)
class Scale:
    """How much to build. `days_back` and `days_ahead` bound the appointments around now."""

    mentors: int
    students: int
    appointments: int
    days_back: int
    days_ahead: int
    tickets: int = 0
    told_days: int = 0  # how many days of notifications there are; and with any, what people do together now


SCALES = {
    "small": Scale(mentors=12, students=30, appointments=220, days_back=60, days_ahead=14, tickets=150, told_days=7),
    "medium": Scale(mentors=200, students=2_000, appointments=15_000, days_back=180, days_ahead=21, tickets=3_000),
    "large": Scale(mentors=2_000, students=20_000, appointments=200_000, days_back=365, days_ahead=28, tickets=100_000),
}


@dataclass
class Session:
    """An appointment under construction, with what happened to it, oldest first."""

    row: Appointment
    history: list[fates.Step]


class DemoBuilder:
    """Makes everything from one random seed; the same seed, scale and `now` give the same rows.

    `progress(label, total)` returns a context manager that yields a function `advance(n)`.
    """

    def __init__(self, scale, *, seed, now, password, progress=None):
        self.scale = scale
        self.seed = seed
        self.random = random.Random(seed)  # noqa: S311 - demo data, nothing secret
        self.now = now.replace(second=0, microsecond=0)
        self.password_hash = make_password(password)
        self.progress = progress or (lambda label, total: nullcontext(lambda n: None))
        self.taken = defaultdict(set)  # student index → half hours that are taken

    @transaction.atomic
    def build(self):
        self.make_tags()
        self.make_people()
        self.make_mentors()
        self.make_hours()
        self.make_wallets()
        self.plan_sessions()
        self.play_money()
        self.save_sessions()
        self.save_ledger()
        self.save_reviews()
        if self.scale.tickets:
            TicketBuilder(self, self.scale.tickets).build()
        self.save_figures()
        self.tell_people()
        if self.scale.told_days:
            Together(mentors=self.mentors, students=self.students, staff=self.staff, now=self.now).build()

    # --- people -------------------------------------------------------------------------------------------------------

    def make_tags(self):
        of_questions = {name for question in questions.QUESTIONS for name in question.tags}
        names = sorted(of_questions | {name for _, tags, _ in texts.SPECIALTIES for name in tags})
        self._save(Tag, [Tag(name=name) for name in names], "tags", ignore_conflicts=True)
        self.tags = {tag.name: tag for tag in Tag.objects.filter(name__in=names)}
        synonyms = [TagSynonym(name=name, tag=self.tags[tag]) for name, tag in texts.SYNONYMS.items()]
        self._save(TagSynonym, synonyms, "synonyms", ignore_conflicts=True)

    def make_people(self):
        joined = self.now - dt.timedelta(days=self.scale.days_back + 40)
        self.staff = self._person("ada@example.org", "Ada Admin", "Europe/Madrid", joined, is_staff=True)
        self.staff.is_superuser = True
        cast_mentor = self._person("max@example.org", "Max Meyer", "Europe/Berlin", joined)
        cast_student = self._person("ann@example.org", "Ann Archer", "Europe/Madrid", joined)
        used = set()
        self.mentor_people = [cast_mentor] + [
            self._invented(joined, used, wants_to_mentor=True) for _ in range(self.scale.mentors - 1)
        ]
        self.students = [cast_student] + [
            self._invented(joined, used, bio=self.random.choice(texts.STUDENT_BIOS))
            for _ in range(self.scale.students - 1)
        ]
        people = [self.staff, *self.mentor_people, *self.students]
        self._save(User, people, "people")
        addresses = [EmailAddress(user=user, email=user.email, verified=True, primary=True) for user in people]
        self._save(EmailAddress, addresses, "addresses")

    def _invented(self, joined, used, **fields):
        first, last = self.random.choice(texts.FIRST_NAMES), self.random.choice(texts.LAST_NAMES)
        stem = f"{first}.{last}".lower().translate(str.maketrans("íñçßıłąęóúćżá", "inccilaeoucza"))
        number = ""
        while f"{stem}{number}" in used:
            number = int(number or 1) + 1
        used.add(f"{stem}{number}")
        since = joined + dt.timedelta(hours=self.random.randrange(24 * 19))
        zone = self.random.choice(texts.ZONES)
        return self._person(f"{stem}{number}@example.org", f"{first} {last}", zone, since, **fields)

    def _person(self, email, name, zone, joined, **fields):
        return User(email=email, name=name, timezone=zone, password=self.password_hash, date_joined=joined, **fields)

    def make_mentors(self):
        self.mentors, tags_of = [], []
        for index, person in enumerate(self.mentor_people):
            headline, tags, bio = texts.SPECIALTIES[index % len(texts.SPECIALTIES)]
            buffer = self.random.choice([0, 0, 0, 10, 15])
            waiting = index and index % 11 == 10  # a few wait for approval, so that staff have something to do
            self.mentors.append(
                MentorProfile(
                    user=person,
                    headline=headline,
                    bio=bio,
                    languages=sorted({"English", *self.random.sample(texts.SPOKEN, self.random.choice([0, 1, 1, 2]))}),
                    hourly_rate_points=self.random.choice([0, 20, 30, 40, 50, 50, 60, 80]) if index else 50,
                    status=self.random.choices(MentorProfile.Status.values, [8, 1, 1])[0] if index else "available",
                    approval=MentorProfile.Approval.WAITING if waiting else MentorProfile.Approval.APPROVED,
                    approved_at=None if waiting else person.date_joined + HOUR,
                    timezone=person.timezone,
                    session_minutes=self.random.choice([[60], [30, 60], [30, 60, 90], [45, 90]]) if index else [30, 60],
                    buffer_after_minutes=buffer,
                    minimum_notice_minutes=self.random.choice([60, 120, 240, 720]) if index else 60,
                    max_sessions_per_day=self.random.choice([None, None, 3, 4, 6]),
                    confirms_automatically=bool(index) and self.random.random() < 0.3,
                    cancellation_notice_hours=self.random.choice([12, 24, 24, 48]),
                    meeting_url=f"https://meet.example.org/room-{index + 1}",
                    created_at=person.date_joined,
                )
            )
            tags_of.append([self.tags[name] for name in tags])
        self._save(MentorProfile, self.mentors, "mentors")
        through = MentorProfile.expertise.through
        links = [
            through(mentorprofile=mentor, tag=tag)
            for mentor, tags in zip(self.mentors, tags_of, strict=True)
            for tag in tags
        ]
        self._save(through, links, "expertise")
        refresh_search_text(MentorProfile.objects.filter(pk__in=[mentor.pk for mentor in self.mentors]))
        self.topics = [
            next((texts.TOPICS[tag.name] for tag in tags if tag.name in texts.TOPICS), texts.TOPICS["python"])
            for tags in tags_of
        ]

    def make_hours(self):
        """Morning, afternoon or evening people, four or five days a week; some with a week off ahead."""
        patterns = [[(9, 12), (14, 17)], [(9, 13)], [(14, 19)], [(17, 21)], [(8, 12), (13, 16)], [(18, 22)]]
        self.windows = []
        hours, overrides = [], []
        today = self.now.date()
        for index, mentor in enumerate(self.mentors):
            pattern = patterns[index % len(patterns)]
            weekdays = self.random.sample(range(1, 8), 3) if index % 5 == 4 else [1, 2, 3, 4, 5]
            self.windows.append(dict.fromkeys(weekdays, pattern))
            hours += [
                WeeklyHours(mentor=mentor, weekday=weekday, start_minute=start * 60, end_minute=end * 60)
                for weekday in sorted(weekdays)
                for start, end in pattern
            ]
            if index % 4 == 3:
                first = today + dt.timedelta(days=self.scale.days_ahead + self.random.randrange(2, 8))
                overrides += [
                    DateOverride(mentor=mentor, date=first + dt.timedelta(days=day), note="Holiday") for day in range(7)
                ]
        self._save(WeeklyHours, hours, "hours")
        self._save(DateOverride, overrides, "days off")

    # --- sessions -----------------------------------------------------------------------------------------------------

    def plan_sessions(self):
        """Choose who meets whom and when, within the mentor's hours, and what became of it."""
        self.sessions = []
        approved = sum(mentor.is_approved for mentor in self.mentors)
        # Some find no student with time, or too little time after the session before: one or two in a hundred.
        per_mentor = math.ceil(1.02 * self.scale.appointments / approved)
        with self.progress("sessions planned", self.scale.appointments) as advance:
            for index, mentor in enumerate(self.mentors):
                if not mentor.is_approved:
                    continue
                blocked_until = None
                for start in self._starts(index, per_mentor):
                    minutes = self.random.choice(
                        [m for m in mentor.session_minutes if m <= 60] or mentor.session_minutes
                    )
                    blocked_from = start - dt.timedelta(minutes=mentor.buffer_before_minutes)
                    if blocked_until is not None and blocked_from < blocked_until:
                        continue
                    student = self._free_student(index, start, minutes)
                    if student is None:
                        continue
                    session = self._session(index, mentor, student, start, minutes)
                    blocked_until = session.row.blocked_until
                    self.sessions.append(session)
                advance(per_mentor)
        self.sessions.sort(key=lambda session: (session.row.created_at, session.row.mentor_id))

    def _starts(self, index, count):
        """About `count` local full hours of the mentor's windows, as UTC, soonest first."""
        windows, zone = self.windows[index], self.mentors[index].timezone
        today = self.now.date()
        candidates = [
            (today + dt.timedelta(days=offset), hour)
            for offset in range(-self.scale.days_back, self.scale.days_ahead)
            for start, end in windows.get((today + dt.timedelta(days=offset)).isoweekday(), ())
            for hour in range(start, end)
        ]
        chosen = self.random.sample(candidates, min(count, len(candidates)))
        return sorted(_at(zone, day, hour) for day, hour in chosen)

    def _free_student(self, mentor_index, start, minutes):
        halves = [int(start.timestamp() // 1800) + n for n in range(math.ceil(minutes / 30) + 1)]
        for attempt in range(5):
            # Ann and Max know each other, so that the demo accounts have something to show.
            cast = mentor_index == 0 and attempt == 0 and self.random.random() < 0.3
            student = 0 if cast else self.random.randrange(len(self.students))
            if self.taken[student].isdisjoint(halves):
                self.taken[student].update(halves)
                return student
        return None

    def _session(self, mentor_index, mentor, student_index, start, minutes):
        end = start + dt.timedelta(minutes=minutes)
        student = self.students[student_index]
        created, answered, status = fates.choose_fate(self.random, start, end, self.now)
        title, description = self.random.choice(self.topics[mentor_index])
        answer_by = min(created + settings.REQUEST_EXPIRES_AFTER_HOURS * HOUR, start)
        row = Appointment(
            mentor=mentor,
            student=student,
            booked_by=student,
            title=title,
            description=description,
            status=status,
            starts_at=start,
            ends_at=end,
            blocked_from=start - dt.timedelta(minutes=mentor.buffer_before_minutes),
            blocked_until=end + dt.timedelta(minutes=mentor.buffer_after_minutes),
            agreed_timezone=mentor.timezone,
            agreed_local_start=start.astimezone(ZoneInfo(mentor.timezone)).strftime("%Y-%m-%dT%H:%M"),
            price_points=mentor.price_points(minutes),
            hourly_rate_points=mentor.hourly_rate_points,
            cancel_free_until=start - mentor.cancellation_notice_hours * HOUR,
            late_refund_percent=settings.LATE_REFUND_PERCENT,
            answer_by=answer_by,
            meeting_url=mentor.meeting_url,
            created_at=created,
            timed_at=created,
            payer=student.wallet,
            escrow=Wallet(kind=Wallet.Kind.ESCROW, created_at=created),
        )
        steps = fates.history_of(self.random, row, created, answered, self.now)
        row.sequence = len(steps) - 1
        return Session(row, steps)

    # --- points -------------------------------------------------------------------------------------------------------

    def make_wallets(self):
        self.issuance, _ = Wallet.objects.get_or_create(kind=Wallet.Kind.ISSUANCE)
        for person in [self.staff, *self.mentor_people, *self.students]:
            person.wallet = Wallet(kind=Wallet.Kind.USER, user=person, created_at=person.date_joined)
        self.ledger = []  # (transaction, [(source, destination, points)], session or None)

    def play_money(self):
        """Let every point move in the order of time, topping up those who run dry, as staff would."""
        people = [self.staff, *self.mentor_people, *self.students]
        happenings = [(person.date_joined, 0, number, person) for number, person in enumerate(people)]
        for number, session in enumerate(self.sessions):
            for step, event in enumerate(session.history):
                happenings.append((event.when, 1 + step, number, session))
        happenings.sort(key=lambda happening: happening[:3])
        with self.progress("points moved", len(happenings)) as advance:
            for when, order, _, what in happenings:
                if order == 0:
                    grant = settings.SIGNUP_GRANT_POINTS
                    self._move(
                        when, "signup_grant", None, [(self.issuance, what.wallet, grant)], None, f"signup:{what.pk}"
                    )
                else:
                    self._play(what, what.history[order - 1])
                advance(1)

    def _play(self, session, step):
        when, status, actor, _, back, paid = step
        row = session.row
        mentor_wallet = row.mentor.user.wallet
        if status == Status.REQUESTED:
            while row.payer.balance_points < row.price_points:
                note = "Points for the term"
                self._move(when, "grant", self.staff, [(self.issuance, row.payer, TOP_UP_POINTS)], None, None, note)
            self._move(when, "hold", actor, [(row.payer, row.escrow, row.price_points)], session)
        elif back and not paid:
            self._move(when, "release", actor, [(row.escrow, row.payer, back)], session)
        elif paid or back:
            moves = [(row.escrow, row.payer, back), (row.escrow, mentor_wallet, paid)]
            self._move(when, "capture", actor, moves, session)

    def _move(self, when, reason, actor, moves, session, key=None, note=""):
        moves = [move for move in moves if move[2]]
        if not moves:
            return
        for source, destination, points in moves:
            source.balance_points -= points
            destination.balance_points += points
        row = Transaction(reason=reason, actor=actor, note=note, idempotency_key=key, created_at=when)
        self.ledger.append((row, moves, session))

    # --- saving -------------------------------------------------------------------------------------------------------

    def save_sessions(self):
        wallets = [person.wallet for person in [self.staff, *self.mentor_people, *self.students]]
        self._save(Wallet, wallets + [session.row.escrow for session in self.sessions], "wallets")
        self.issuance.save(update_fields=["balance_points"])
        for session in self.sessions:  # their keys exist now
            session.row.escrow_id, session.row.payer_id = session.row.escrow.pk, session.row.payer.pk
        self._save(Appointment, [session.row for session in self.sessions], "appointments")
        events = []
        for session in self.sessions:
            before = ""
            for step in session.history:
                events.append(
                    AppointmentEvent(
                        appointment=session.row,
                        from_status=before,
                        to_status=step.status,
                        actor=step.actor,
                        reason=step.reason,
                        points_returned=step.returned,
                        points_paid=step.paid,
                        created_at=step.when,
                    )
                )
                before = step.status
        events.sort(key=lambda event: event.created_at)
        self._save(AppointmentEvent, events, "history")
        disputes = [
            Dispute(
                appointment=event.appointment,
                opened_by=event.actor,
                reason=event.reason,
                was_completed=event.from_status == Status.COMPLETED,
                created_at=event.created_at,
            )
            for event in events
            if event.to_status == Status.DISPUTED
        ]
        self._save(Dispute, disputes, "disputes")
        self.events = events

    def save_ledger(self):
        subject_type = ContentType.objects.get_for_model(Appointment)
        for row, _, session in self.ledger:
            if session is not None:
                row.subject_type, row.subject_id = subject_type, session.row.pk
        self._save(Transaction, [row for row, _, _ in self.ledger], "transactions")
        transfers = [
            Transfer(transaction=row, source=source, destination=destination, points=points)
            for row, moves, _ in self.ledger
            for source, destination, points in moves
        ]
        self._save(Transfer, transfers, "transfers")

    def save_reviews(self):
        self.reviews = []
        for session in self.sessions:
            if session.row.status == Status.COMPLETED:
                self.reviews += self._reviews_of(session)
        self._save(Review, self.reviews, "reviews")

    def _reviews_of(self, session):
        row = session.row
        wait = dt.timedelta(days=settings.REVIEWS_SHOWN_AFTER_DAYS)
        sides = []
        if self.random.random() < 0.7:
            # Some mentors are better than others, and it shows over time.
            weights = [1, 2, 5, 30 + row.mentor.pk % 5 * 6, 60]
            sides.append((row.student, row.mentor.user, Review.About.MENTOR, texts.MENTOR_REVIEWS, weights))
        if self.random.random() < 0.5:
            sides.append((row.mentor.user, row.student, Review.About.STUDENT, texts.STUDENT_REVIEWS, [1, 2, 6, 35, 56]))
        reviews = []
        for author, recipient, about, comments, weights in sides:
            created = row.ends_at + dt.timedelta(minutes=self.random.randrange(25 * 60, 80 * 60))
            if created > self.now:
                continue
            rating = self.random.choices([1, 2, 3, 4, 5], weights)[0]
            comment = self.random.choice(comments[rating])
            reviews.append(
                Review(
                    appointment=row,
                    author=author,
                    recipient=recipient,
                    about=about,
                    rating=rating,
                    comment=comment,
                    created_at=created,
                    shown_at=created + wait,
                )
            )
        if len(reviews) == 2:
            for review in reviews:
                review.shown_at = max(other.created_at for other in reviews)
        for review in reviews:
            review.published_at = review.shown_at if review.shown_at <= self.now else None
        return reviews

    def tell_people(self):
        """What the last days brought stands in people's lists, as if its mail had gone out then."""
        since = self.now - dt.timedelta(days=self.scale.told_days)
        recent = [event for event in self.events if event.created_at > since and event.to_status in history.KINDS]
        for event in recent:
            row = event.appointment
            by_student = event.actor_id == row.student_id
            history.tell(row, row.mentor.user if by_student else row.student, event=event)
        told_at = {f"appointment:{event.appointment_id}:{event.to_status}": event.created_at for event in recent}
        notifications = list(Notification.objects.all())
        for notification in notifications:
            notification.created_at = told_at[notification.occasion]
            if notification.created_at < self.now - dt.timedelta(days=2):
                notification.read_at = notification.created_at + HOUR
        Notification.objects.bulk_update(notifications, ["created_at", "read_at"], batch_size=200)
        OutgoingEmail.objects.update(status=OutgoingEmail.Status.SENT, sent_at=self.now, attempts=1)

    def save_figures(self):
        """The figures that the directory orders by."""
        mentors = {mentor.user_id: mentor for mentor in self.mentors}
        for session in self.sessions:
            if session.row.status == Status.COMPLETED:
                session.row.mentor.sessions_completed += 1
        for review in self.reviews:
            if review.about == Review.About.MENTOR and review.shown_at <= self.now:
                mentor = mentors[review.recipient_id]
                mentor.rating_count += 1
                mentor.rating_sum += review.rating
        for mentor in self.mentors:
            mentor.rating_rank = bayesian_mean(count=mentor.rating_count, total=mentor.rating_sum)
        fields = ["sessions_completed", "rating_count", "rating_sum", "rating_rank"]
        MentorProfile.objects.bulk_update(self.mentors, fields, batch_size=200)

    def _save(self, model, rows, label, **options):
        with self.progress(label, len(rows)) as advance:
            for first in range(0, len(rows), BATCH):
                batch = rows[first : first + BATCH]
                model.objects.bulk_create(batch, **options)
                advance(len(batch))


@lru_cache(maxsize=100_000)
def _at(zone, day, hour):
    return dt.datetime.combine(day, dt.time(hour), ZoneInfo(zone)).astimezone(dt.UTC)
