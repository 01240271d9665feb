import factory
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from notifications.models import Kind, Notification, OutgoingEmail


class NotificationFactory(DjangoModelFactory):
    class Meta:
        model = Notification

    recipient = factory.SubFactory(UserFactory)
    kind = Kind.APPOINTMENT_CONFIRMED
    occasion = factory.Sequence(lambda n: f"appointment:{n}")
    title = "Max confirmed your session"
    body = "Tue 24 Nov, 14:00"
    url = "/bookings/17/"


class OutgoingEmailFactory(DjangoModelFactory):
    class Meta:
        model = OutgoingEmail

    notification = factory.SubFactory(NotificationFactory)
    to = factory.SelfAttribute("notification.recipient.email")
    subject = factory.SelfAttribute("notification.title")
    body = factory.SelfAttribute("notification.body")
    message_id = factory.Sequence(lambda n: f"<{n}@mentorbook.example>")
