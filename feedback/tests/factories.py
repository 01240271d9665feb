import datetime as dt

import factory
from factory.django import DjangoModelFactory

from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory
from feedback.models import Review


class ReviewFactory(DjangoModelFactory):
    """Five stars of a student for the mentor of a completed session, written two hours after it and shown at once."""

    class Meta:
        model = Review

    appointment = factory.SubFactory(AppointmentFactory, status=Appointment.Status.COMPLETED)
    author = factory.SelfAttribute("appointment.student")
    recipient = factory.SelfAttribute("appointment.mentor.user")
    about = Review.About.MENTOR
    rating = 5
    comment = "Explained it so that I could go on alone."
    created_at = factory.LazyAttribute(lambda review: review.appointment.ends_at + dt.timedelta(hours=2))
    shown_at = factory.SelfAttribute("created_at")
    published_at = factory.SelfAttribute("shown_at")
    hidden_at = None

    class Params:
        of_student = factory.Trait(
            author=factory.SelfAttribute("appointment.mentor.user"),
            recipient=factory.SelfAttribute("appointment.student"),
            about=Review.About.STUDENT,
        )
        waiting = factory.Trait(
            shown_at=factory.LazyAttribute(lambda review: review.created_at + dt.timedelta(days=14)),
            published_at=None,
        )


def held(mentor, student, number=0):
    """A completed session of the two; `number` puts it on a day of its own."""
    start = dt.datetime(2027, 1, 15, 10, tzinfo=dt.UTC) + dt.timedelta(days=number)
    return AppointmentFactory(mentor=mentor, student=student, status=Appointment.Status.COMPLETED, starts_at=start)
