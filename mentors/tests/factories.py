import factory
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from mentors.actions import refresh_search_text
from mentors.models import MentorProfile, Tag


class TagFactory(DjangoModelFactory):
    class Meta:
        model = Tag
        django_get_or_create = ["name"]

    name = factory.Sequence(lambda n: f"tag-{n}")


class MentorProfileFactory(DjangoModelFactory):
    """An approved mentor without hours; bookings.tests.factories gives hours."""

    class Meta:
        model = MentorProfile
        skip_postgeneration_save = True

    user = factory.SubFactory(UserFactory)
    headline = "Helps with code"
    hourly_rate_points = 50
    approval = MentorProfile.Approval.APPROVED
    timezone = factory.SelfAttribute("user.timezone")
    minimum_notice_minutes = 0

    @factory.post_generation
    def expertise(self, create, names):
        for name in names or ():
            self.expertise.add(TagFactory(name=name))
        if create:
            refresh_search_text(MentorProfile.objects.filter(pk=self.pk))
