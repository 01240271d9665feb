import datetime as dt
from zoneinfo import ZoneInfo

import factory
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from bookings.actions import book_slot, confirm_appointment
from bookings.models import Appointment, BusyTime, WaitingListEntry, WeeklyHours
from mentors.tests.factories import MentorProfileFactory
from wallets.actions import grant_points
from wallets.models import Wallet


class WalletFactory(DjangoModelFactory):
    class Meta:
        model = Wallet

    kind = Wallet.Kind.ESCROW


class UserWalletFactory(DjangoModelFactory):
    class Meta:
        model = Wallet
        django_get_or_create = ["user"]

    kind = Wallet.Kind.USER
    user = factory.SubFactory(UserFactory)


class WeeklyHoursFactory(DjangoModelFactory):
    class Meta:
        model = WeeklyHours

    mentor = factory.SubFactory(MentorProfileFactory)
    weekday = 1
    start_minute = 9 * 60
    end_minute = 17 * 60


def works_every_day(mentor, start_minute=9 * 60, end_minute=17 * 60):
    """Give `mentor` the same hours on all seven days."""
    for weekday in range(1, 8):
        WeeklyHoursFactory(mentor=mentor, weekday=weekday, start_minute=start_minute, end_minute=end_minute)
    return mentor


class WaitingListEntryFactory(DjangoModelFactory):
    """A place in the line for an hour of 2027-01-15, by UTC."""

    class Meta:
        model = WaitingListEntry

    class Params:
        offered = factory.Trait(
            status=WaitingListEntry.Status.OFFERED,
            offered_starts_at=factory.LazyAttribute(lambda entry: entry.since + dt.timedelta(hours=10)),
            offered_until=factory.SelfAttribute("offered_starts_at"),
        )

    mentor = factory.SubFactory(MentorProfileFactory)
    student = factory.SubFactory(UserFactory)
    date = dt.date(2027, 1, 15)
    timezone = "UTC"
    since = factory.LazyAttribute(lambda entry: dt.datetime.combine(entry.date, dt.time(), tzinfo=dt.UTC))
    until = factory.LazyAttribute(lambda entry: entry.since + dt.timedelta(days=1))
    duration_minutes = 60


class BusyTimeFactory(DjangoModelFactory):
    """An hour at ten that is held for who waits (`entry`)."""

    class Meta:
        model = BusyTime

    kind = BusyTime.Kind.WAITING
    entry = factory.SubFactory(WaitingListEntryFactory, offered=True)
    mentor = factory.SelfAttribute("entry.mentor")
    student = factory.SelfAttribute("entry.student")
    starts_at = factory.LazyAttribute(lambda busy: busy.entry.since + dt.timedelta(hours=10))
    ends_at = factory.LazyAttribute(lambda busy: busy.starts_at + dt.timedelta(hours=1))
    blocked_from = factory.SelfAttribute("starts_at")
    blocked_until = factory.SelfAttribute("ends_at")
    expires_at = factory.LazyAttribute(lambda busy: busy.starts_at)


class AppointmentFactory(DjangoModelFactory):
    """An hour on 2027-01-15 (a Friday) at 10:00 UTC, free of charge, without a hold. Actions make paid ones."""

    class Meta:
        model = Appointment

    mentor = factory.SubFactory(MentorProfileFactory)
    student = factory.SubFactory(UserFactory)
    title = "Help with Django forms"
    status = Appointment.Status.CONFIRMED
    starts_at = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC)
    ends_at = factory.LazyAttribute(lambda a: a.starts_at + dt.timedelta(hours=1))
    blocked_from = factory.SelfAttribute("starts_at")
    blocked_until = factory.SelfAttribute("ends_at")
    agreed_timezone = factory.SelfAttribute("mentor.timezone")
    agreed_local_start = factory.LazyAttribute(
        lambda a: a.starts_at.astimezone(ZoneInfo(a.agreed_timezone)).strftime("%Y-%m-%dT%H:%M")
    )
    price_points = 0
    cancel_free_until = factory.LazyAttribute(lambda a: a.starts_at - dt.timedelta(hours=24))
    late_refund_percent = 50
    answer_by = factory.LazyAttribute(lambda a: a.starts_at)
    payer = factory.LazyAttribute(lambda a: UserWalletFactory(user=a.student))
    escrow = factory.SubFactory(WalletFactory)
    booked_by = factory.SelfAttribute("student")


def rich(user, points=1_000):
    """Give `user` points to spend."""
    grant_points(user, points=points)
    return user


def book(mentor, student, starts_at, *, now=None, **wish):
    """An hour, requested through the action a day before unless `now` says when; the student must be able to pay."""
    wish = {"duration_minutes": 60, "title": "Help with Django forms", **wish}
    return book_slot(mentor, student=student, starts_at=starts_at, now=now or starts_at - dt.timedelta(days=1), **wish)


def book_confirmed(mentor, student, starts_at, **wish):
    """The same, and the mentor has confirmed it at once."""
    appointment = book(mentor, student, starts_at, **wish)
    if appointment.status == Appointment.Status.REQUESTED:
        appointment = confirm_appointment(appointment, by=mentor.user, now=appointment.created_at)
    return appointment
