import factory
from factory.django import DjangoModelFactory

from accounts.tests.factories import UserFactory
from mentors import search
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
    bio = ""
    hourly_rate_points = 50
    approval = MentorProfile.Approval.APPROVED
    timezone = factory.SelfAttribute("user.timezone")
    minimum_notice_minutes = 0
    search_text = factory.LazyAttribute(lambda its: search.search_text(its.user.name, its.headline, its.bio))

    @factory.post_generation
    def expertise(self, create, names):
        if names:
            self.expertise.add(*[TagFactory(name=name) for name in names])
            refresh_search_text(MentorProfile.objects.filter(pk=self.pk))
