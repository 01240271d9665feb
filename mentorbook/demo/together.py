"""What people of the demo do together now: a project group, moves, a series, a waiting list, disputes.

A few rows, so the actions themselves make them, each as somebody would have pressed the button a moment ago.
"""

import datetime as dt
from zoneinfo import ZoneInfo

from accounts.actions import create_group, create_invitation_link, invite_by_email, join_group
from accounts.groups import invitation_token
from bookings import actions
from bookings.availability import load_calendar
from bookings.models import Appointment, Dispute
from mentorbook.demo.texts import GROUP_DESCRIPTION, GROUP_NAME
from mentorbook.errors import Refused
from notifications.models import OutgoingEmail
from tickets.actions import share_ticket
from tickets.models import Ticket
from wallets.actions import contribute_points, grant_points

Status = Appointment.Status
MEMBERS = 2
SERIES_WEEKS = 3
LOOK_AHEAD_DAYS = 14


class Together:
    """`build` runs in the transaction of the other demo data, after it."""

    def __init__(self, *, mentors, students, staff, now):
        self.max, *self.other_mentors = [mentor for mentor in mentors if mentor.is_approved]
        self.ann, *self.other_students = students
        self.staff = staff
        self.now = now

    def build(self):
        self.make_group()
        self.book_for_group()
        self.book_series()
        self.propose_move()
        self.share_ticket()
        self.talk_about_ticket()
        self.wait_for_full_day()
        self.dispute_sessions()
        # As everything here, told long enough ago that its mail has gone out.
        OutgoingEmail.objects.update(status=OutgoingEmail.Status.SENT, sent_at=self.now, attempts=1)

    def make_group(self):
        ann = self.ann
        self.group = create_group(
            name=GROUP_NAME, description=GROUP_DESCRIPTION, members_may_pay=True, by=ann, now=self.now
        )
        link = create_invitation_link(self.group, by=ann, now=self.now)
        members = self.other_students[:MEMBERS]
        for member in members:
            join_group(invitation_token(link), by=member, now=self.now)
        invite_by_email(self.group, email="lena@example.org", by=ann, now=self.now)
        for person, points in zip([ann, *members], [120, 60, 40], strict=True):
            grant_points(person, points=points, by=self.staff, note="Points for project work")
            contribute_points(self.group, by=person, points=points)

    def book_for_group(self):
        start = self._free_start(self.max, self.ann, after_days=2)
        if start:
            session = self._book(
                self.max, start, title="Review of our parser", group=self.group, pay_from=actions.PayFrom.GROUP
            )
            actions.confirm_appointment(session, by=self.max.user, now=self.now)

    def book_series(self):
        """With the first mentor who has the same hour free for some weeks."""
        for mentor in self.other_mentors:
            start = self._free_start(mentor, self.ann, after_days=1)
            if start is None:
                continue
            price = mentor.price_points(min(mentor.session_minutes))
            grant_points(self.ann, points=SERIES_WEEKS * price, by=self.staff, note="Points for the term")
            try:
                actions.book_series(
                    mentor,
                    student=self.ann,
                    starts_at=start,
                    duration_minutes=min(mentor.session_minutes),
                    weeks=SERIES_WEEKS,
                    title="Weekly look at my project",
                    now=self.now,
                )
            except Refused:
                continue
            return

    def propose_move(self):
        """Max asks Ann for another time."""
        session = self._upcoming(mentor=self.max, student=self.ann, group=None).first()
        if session is None:
            start = self._free_start(self.max, self.ann, after_days=3)
            if start is None:
                return
            session = self._book(self.max, start, title="Help with my data model")
            session = actions.confirm_appointment(session, by=self.max.user, now=self.now)
        start = self._free_start(self.max, self.ann, after_days=4, minutes=session.duration_minutes)
        if start:
            actions.propose_move(
                session,
                by=self.max.user,
                starts_at=start,
                duration_minutes=session.duration_minutes,
                reason="I have to see a doctor at our time.",
                now=self.now,
            )

    def share_ticket(self):
        """Ann lets her group read a question of hers that nobody has taken yet."""
        ticket = Ticket.objects.filter(student=self.ann, status=Ticket.Status.OPEN).first()
        if ticket:
            share_ticket(ticket, by=self.ann, group=self.group, now=self.now)

    def talk_about_ticket(self):
        ticket = Ticket.objects.filter(student=self.ann, status=Ticket.Status.ASSIGNED).select_related("mentor").first()
        if ticket is None or not ticket.mentor.is_approved:
            return
        start = self._free_start(ticket.mentor, self.ann, after_days=1)
        if start:
            grant_points(self.ann, points=100, by=self.staff, note="Points for the term")
            self._book(ticket.mentor, start, title=ticket.title, ticket=ticket)

    def wait_for_full_day(self):
        """Ann waits for the first full day that she comes upon."""
        zone = ZoneInfo(self.ann.timezone)
        today = self.now.astimezone(zone).date()
        for mentor in [self.max, *self.other_mentors]:
            for days in range(1, LOOK_AHEAD_DAYS):
                try:
                    actions.join_waiting_list(
                        mentor,
                        student=self.ann,
                        date=today + dt.timedelta(days=days),
                        zone=zone,
                        duration_minutes=max(mentor.session_minutes),
                        now=self.now,
                    )
                except Refused:
                    continue
                return

    def dispute_sessions(self):
        """One waits for staff, and the one that has waited longest is decided."""
        since = self.now - dt.timedelta(hours=47)
        recent = Appointment.objects.filter(status__in=Appointment.DISPUTABLE, ends_at__lte=self.now, ends_at__gt=since)
        session = recent.with_people().order_by("pk").first()
        if session:
            reason = "The mentor left after a quarter of an hour."
            actions.dispute_appointment(session, by=session.student, reason=reason, now=self.now)
        waiting = Dispute.objects.filter(decided_at=None).order_by("created_at", "pk")
        if len(waiting) > 1:
            session = waiting[0].appointment
            actions.decide_dispute(
                session,
                by=self.staff,
                returned_points=actions.points_to_decide(session),
                note="The mentor wrote that the train was late. All points go back.",
                now=self.now,
            )

    def _upcoming(self, **who):
        rows = Appointment.objects.filter(
            status=Status.CONFIRMED, starts_at__gt=self.now + dt.timedelta(hours=3), **who
        )
        return rows.with_people().order_by("starts_at")

    def _free_start(self, mentor, student, *, after_days, minutes=None):
        calendar = load_calendar(mentor, now=self.now, student=student)
        since = self.now + dt.timedelta(days=after_days)
        return calendar.first_free(duration_minutes=minutes or min(mentor.session_minutes), since=since)

    def _book(self, mentor, start, **wish):
        wish.setdefault("duration_minutes", min(mentor.session_minutes))
        return actions.book_slot(mentor, student=self.ann, starts_at=start, now=self.now, **wish)
