import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError

from accounts.models import User
from accounts.tests.factories import UserFactory


@pytest.mark.parametrize(
    "name",
    ["Zoë 👩🏽‍💻", "علی‌رضا حسینی", "שרה לוי", "王小明", "O’Neill-Ødegård", "N" * 100, "न्गो थी", "X"],
)
def test_name_may_be_in_any_script(name):
    User(email="a@example.org", name=name).clean_fields(exclude=["password"])


@pytest.mark.parametrize(
    "name", ["", "   ", "\u200b", "\u00ad\u2060", "Ann\nBcc: x", "Ann\x00", "nnA\u202e", "N" * 101]
)
def test_name_is_refused_when_nobody_can_see_it_or_it_breaks_the_page(name):
    with pytest.raises(ValidationError):
        User(email="a@example.org", name=name).clean_fields(exclude=["password"])


def test_short_name_is_the_first_word():
    assert User(email="a@example.org", name="Ann Archer").get_short_name() == "Ann"
    assert User(email="a@example.org").get_short_name() == "a@example.org"


@pytest.mark.django_db
def test_address_is_kept_in_lower_case_and_is_unique_in_any_case():
    user = User.objects.create_user(" Ann@Example.ORG ", "x", name="Ann")
    assert user.email == "ann@example.org"
    assert User.objects.get_by_natural_key("ANN@example.org") == user
    with pytest.raises(IntegrityError):
        UserFactory(email="ANN@example.org")


@pytest.mark.django_db
def test_superuser_is_staff():
    user = User.objects.create_superuser("Root@example.org", "x", name="Root")
    assert user.is_staff
    assert user.is_superuser


def test_time_zone_is_refused_when_it_does_not_exist():
    with pytest.raises(ValidationError, match="time zone"):
        User(email="a@example.org", name="A", timezone="Europe/Atlantis").clean_fields(exclude=["password"])


@pytest.mark.parametrize("skills", ["python", [1], ["x" * 51], ["x"] * 21])
def test_skills_are_refused_when_they_are_not_a_short_list_of_words(skills):
    with pytest.raises(ValidationError):
        User(email="a@example.org", name="A", skills=skills).clean_fields(exclude=["password"])


def test_mentor_is_who_has_an_approved_profile(ann, mentor):
    assert mentor.user.is_mentor
    assert not ann.is_mentor


def test_active_people_are_those_who_can_sign_in(ann, sam):
    sam.is_active = False
    sam.save()
    assert list(User.objects.active()) == [ann]
