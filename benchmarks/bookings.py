"""Bookings a second through `book_slot`, beside the same SQL statements run bare on the same database; and how long
the last of a crowd waits to hear that the hour is gone.

Each booking is recorded statement by statement as it happens, and at once replayed with a raw cursor: other hours,
other keys, everything else alike, transaction, savepoints and a commit that reaches the disk included. So both sides
do the same work in the database, on the same open connection, on the same data and under the same load of the machine,
and what is left is the cost of our Python. The replay comes second, to pages that the booking has just read.

There one client books, one session after the other, because the target is about a booking from request to answer. Many
at once would measure who waits for whom: on SQLite for the one lock, on a small machine for the processor. The crowd
measures just that.
"""

import datetime as dt
import re
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor

from django.db import connection
from django.test import override_settings
from django.utils import timezone

from accounts.models import User
from bookings.actions import SlotTaken, book_slot, replace_availability
from bookings.models import Appointment
from mentors.models import MentorProfile
from notifications.models import Notification
from wallets.actions import grant_points
from wallets.models import Transaction

MENTORS, STUDENTS, WARM_UP, BOOKINGS = 20, 20, 20, 300
TARGET_PERCENT = 50
CROWD, CROWDED_HOURS = 50, 5
# Replayed bookings lie outside every horizon, where no search for free times ever looks.
SHIFT = dt.timedelta(days=7 * 150)


def run() -> list[tuple[str, str, str]]:
    """Rows of (what, figure, target). Raises AssertionError when fewer sessions were booked than it says."""
    mentors, students = people_who_book(MENTORS, STUDENTS)
    (wanted,), crowd = people_who_book(1, CROWD)
    try:
        # The mail that follows a booking is sent by a thread beside it, at a time of its own.
        with override_settings(SEND_MAIL_IN_BACKGROUND=False):
            return [*_bookings_a_second(mentors, students), _crowd(wanted, crowd)]
    finally:
        people = [*students, *crowd, *(mentor.user for mentor in [*mentors, wanted])]
        User.objects.filter(pk__in=[person.pk for person in people]).update(is_active=False)


def _bookings_a_second(mentors, students):
    before = Appointment.objects.count()
    pairs = []
    for number in range(WARM_UP + BOOKINGS):
        turn, place = divmod(number, MENTORS)
        recording = Recording(mentors[place], students[(place + turn) % STUDENTS], turn)
        booked = recording.book()
        if recording.is_unambiguous():
            pairs.append((number, booked, recording.replay(), len(recording.statements)))
    found = Appointment.objects.count() - before
    assert found == WARM_UP + BOOKINGS + len(pairs), f"{found} sessions are there"
    pairs = [pair for pair in pairs if pair[0] >= WARM_UP]
    assert len(pairs) >= BOOKINGS / 2, f"only {len(pairs)} bookings could be replayed"
    ours, bare, statements = (sum(pair[column] for pair in pairs) for column in (1, 2, 3))
    return [
        ("bookings a second", f"{len(pairs) / ours:.0f}", ""),
        (f"the same {statements / len(pairs):.0f} SQL statements, bare", f"{len(pairs) / bare:.0f}", ""),
        ("a booking's rate beside its bare SQL", f"{100 * bare / ours:.0f} %", f"≥ {TARGET_PERCENT} %"),
    ]


def _crowd(mentor, students):
    """Everybody wants the same hour at the same moment, each in a thread and on a connection of their own."""
    slowest = 0
    for number in range(CROWDED_HOURS):
        now = timezone.now()
        start = now.replace(hour=8, minute=0, second=0, microsecond=0) + dt.timedelta(days=1, hours=number)
        barrier = threading.Barrier(len(students))

        def ask(student, start=start, now=now, barrier=barrier):
            barrier.wait(timeout=60)
            began = time.perf_counter()
            try:
                book_slot(mentor, student=student, starts_at=start, duration_minutes=60, title="I, too", now=now)
                return None
            except SlotTaken:
                return time.perf_counter() - began
            finally:
                connection.close()

        with ThreadPoolExecutor(len(students)) as pool:
            refusals = [seconds for seconds in pool.map(ask, students) if seconds is not None]
        assert len(refusals) == len(students) - 1, f"{len(students) - len(refusals)} people were told that it is theirs"
        assert Appointment.objects.blocking().filter(mentor=mentor, starts_at=start).count() == 1
        slowest = max(slowest, *refusals)
    what = f"{len(students)} people want one hour at once, {CROWDED_HOURS} times: 1 gets it, slowest refusal"
    return what, f"{slowest * 1_000:.0f} ms", "≤ 2 s"


def people_who_book(mentor_count, student_count):
    batch = uuid.uuid4().hex[:8]

    def person(name):
        return User.objects.create(email=f"{name}-{batch}@bench.example.org", name=f"Bench {name}", timezone="UTC")

    mentors = []
    for number in range(mentor_count):
        profile = MentorProfile.objects.create(
            user=person(f"mentor-{number}"),
            timezone="UTC",
            hourly_rate_points=10,
            minimum_notice_minutes=0,
            approval=MentorProfile.Approval.APPROVED,
        )
        replace_availability(profile, weekly={weekday: [(8 * 60, 16 * 60)] for weekday in range(1, 8)})
        mentors.append(profile)
    students = [person(f"student-{number}") for number in range(student_count)]
    for student in students:
        grant_points(student, points=10_000)
    return mentors, students


class Recording:
    """One booking, its statements, and the same again. An execute wrapper of the connection while it books."""

    def __init__(self, mentor, student, turn):
        self.mentor = mentor
        self.student = student
        self.now = timezone.now()
        first = self.now.replace(hour=8, minute=0, second=0, microsecond=0) + dt.timedelta(days=1)
        self.start = first + dt.timedelta(days=turn // 8, hours=turn % 8)
        self.key = uuid.uuid4().hex
        self.statements = []

    def __call__(self, execute, sql, params, many, context):
        if not sql.startswith(("BEGIN", "COMMIT")):
            self.statements.append((sql, list(params or ()), connection.in_atomic_block))
        return execute(sql, params, many, context)

    def book(self):
        """Book and record; the seconds that it took."""
        with connection.execute_wrapper(self):
            began = time.perf_counter()
            answer = self.ask()
            took = time.perf_counter() - began
        self.appointment = self.appointment_in(answer)
        # The ids that the booking's inserts gave, by table: where they come again, a replay has its own.
        self.ids = {
            "bookings_appointment": self.appointment.pk,
            "wallets_wallet": self.appointment.escrow_id,
            "wallets_transaction": Transaction.objects.get(transfers__destination=self.appointment.escrow_id).pk,
            "notifications_notification": Notification.objects.get(recipient=self.mentor.user_id, url=self._url()).pk,
        }
        return took

    def ask(self):
        return book_slot(
            self.mentor,
            student=self.student,
            starts_at=self.start,
            duration_minutes=60,
            title="How do I read a query plan?",
            description="It is slow and I do not see why.",
            idempotency_key=self.key,
            now=self.now,
        )

    def appointment_in(self, answer):
        return answer

    def _url(self):
        return self.appointment.get_absolute_url()

    def is_unambiguous(self):
        """Whether those ids can be told from every other number in the statements."""
        others = [self.mentor.pk, self.mentor.user_id, self.student.pk, self.appointment.payer_id]
        numbers = [*self.ids.values(), *others]
        return len({*numbers}) == len({*others}) + len(self.ids) and min(self.ids.values()) > 100

    def replay(self):
        """Run the statements again for another hour and with other keys; the seconds that it took."""
        plan = self._plan()
        given = {}
        begin = "BEGIN IMMEDIATE" if connection.vendor == "sqlite" else "BEGIN"
        in_transaction = False
        cursor = _raw_cursor()
        began = time.perf_counter()
        for sql, params, references, table, belongs_in_transaction in plan:
            if belongs_in_transaction and not in_transaction:
                cursor.execute(begin)
                in_transaction = True
            for position, name in references:
                params[position] = given[name] if name in given else f"appointment:{given['bookings_appointment']}"
            cursor.execute(sql, params)
            rows = cursor.fetchall() if cursor.description else None
            if table:
                given[table] = rows[0][0]
        cursor.execute("COMMIT")
        return time.perf_counter() - began

    def _plan(self):
        """Each statement as the driver takes it, its parameters, where in them ids of the replay belong, the table
        whose new id it returns, and whether it stands in the transaction."""
        plan, known = [], {}
        for sql, params, in_transaction in self.statements:
            references = [(position, known[value]) for position, value in enumerate(params) if value in known]
            insert = re.match(r'INSERT INTO "(\w+)".* RETURNING ', sql, re.DOTALL)
            fresh = [self._fresh(value) for value in params]
            plan.append((_native(sql), fresh, references, insert and insert[1], in_transaction))
            if insert and insert[1] in self.ids:
                known[self.ids[insert[1]]] = insert[1]
                if insert[1] == "bookings_appointment":
                    known[f"appointment:{self.appointment.pk}:requested"] = "occasion"
        return plan

    def _fresh(self, value):
        """What a replay has instead of this hour and these keys."""
        if isinstance(value, str) and value.startswith("<"):
            return f"<{uuid.uuid4().hex}@bench.example.org>"  # a mail's Message-ID
        if value == self.key:
            return self.key[::-1]
        for moment in (self.start, self.appointment.ends_at):
            if value == moment:
                return moment + SHIFT
            if value == f"{moment:%Y-%m-%d %H:%M:%S}":
                return f"{moment + SHIFT:%Y-%m-%d %H:%M:%S}"
        return value


def _raw_cursor():
    """The driver's own cursor, which binds parameters as Django's does."""
    if connection.vendor == "postgresql":
        from psycopg import ClientCursor

        return ClientCursor(connection.connection)
    return connection.connection.cursor()


def _native(sql):
    return sql.replace("%s", "?").replace("%%", "%") if connection.vendor == "sqlite" else sql
