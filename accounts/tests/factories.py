import factory
from factory.django import DjangoModelFactory

from accounts.models import User

PASSWORD = "a lantern over the quiet harbour"


class UserFactory(DjangoModelFactory):
    """A person who signs in with PASSWORD."""

    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"person{n}@example.org")
    name = factory.Sequence(lambda n: f"Person {n}")
    timezone = "Europe/Madrid"
    password = factory.django.Password(PASSWORD)
