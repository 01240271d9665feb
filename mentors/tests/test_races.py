"""Several people at the same moment, on connections of their own."""

import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from accounts.tests.factories import UserFactory
from mentors.actions import (
    AlreadyMentor,
    TagGone,
    TooMuchExpertise,
    add_expertise,
    add_tag,
    create_profile,
    find_or_create_tags,
    merge_tags,
    remove_expertise,
    update_profile,
)
from mentors.models import MAX_EXPERTISE, MentorProfile, Tag
from mentors.tests.factories import MentorProfileFactory, TagFactory

pytestmark = [pytest.mark.race, pytest.mark.django_db(transaction=True)]


def at_once(*works):
    """Run all at the same moment; what each returned, or the exception that it raised."""
    barrier = threading.Barrier(len(works))
    outcomes = [None] * len(works)

    def run(place, work):
        try:
            connection.ensure_connection()
            barrier.wait(timeout=30)
            outcomes[place] = work()
        except Exception as problem:
            outcomes[place] = problem
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_a_new_tag_is_made_once():
    works = [lambda: find_or_create_tags(["Rust", "go", "zig"])] * 8
    outcomes = at_once(*works)
    assert {tuple(tag.name for tag in outcome) for outcome in outcomes} == {("rust", "go", "zig")}
    assert Tag.objects.count() == 3


def test_nobody_becomes_a_mentor_twice():
    person = UserFactory()
    outcomes = at_once(*[lambda: create_profile(person, headline="Hello", expertise=["go"])] * 6)
    assert sum(isinstance(outcome, MentorProfile) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, AlreadyMentor) for outcome in outcomes) == 5


def test_a_tag_merged_while_mentors_choose_it_is_lost_by_nobody():
    ada = UserFactory(is_staff=True)
    for _ in range(6):
        python, py = TagFactory(name="python"), TagFactory(name="py")
        mentors = [MentorProfileFactory() for _ in range(4)]
        outcomes = at_once(
            lambda py=py, python=python: merge_tags(py, python, by=ada),
            *[lambda mentor=mentor: update_profile(mentor, expertise=["py", "sql"]) for mentor in mentors],
        )
        assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
        assert not Tag.objects.filter(name="py").exists()
        for mentor in mentors:
            assert [tag.name for tag in mentor.expertise.all()] == ["python", "sql"]
            assert MentorProfile.objects.matching("py").filter(pk=mentor.pk).exists()
        python.delete()


def test_two_tags_merged_into_each_other_leave_one():
    ada = UserFactory(is_staff=True)
    mentor = MentorProfileFactory(expertise=["js", "javascript"])
    js, javascript = Tag.objects.get(name="js"), Tag.objects.get(name="javascript")
    outcomes = at_once(
        lambda: merge_tags(js, javascript, by=ada),
        lambda: merge_tags(javascript, js, by=ada),
    )
    assert sum(isinstance(outcome, TagGone) for outcome in outcomes) == 1
    with transaction.atomic():
        assert find_or_create_tags(["js", "javascript"]) == [Tag.objects.get()]
    assert mentor.expertise.count() == 1


def test_a_tag_added_by_several_is_new_for_one_of_them(ann):
    outcomes = at_once(*[lambda: add_tag("Rust", by=ann, now=timezone.now())] * 8)
    assert outcomes.count((Tag.objects.get(), True)) == 1
    assert outcomes.count((Tag.objects.get(), False)) == 7


def test_expertise_added_at_once_is_all_there_and_never_too_much():
    mentor = MentorProfileFactory(expertise=[f"tag-{number}" for number in range(MAX_EXPERTISE - 3)])
    outcomes = at_once(*[lambda name=name: add_expertise(mentor, name) for name in ("a", "b", "c", "d", "e", "e")])
    refused = [outcome for outcome in outcomes if isinstance(outcome, TooMuchExpertise)]
    added = [outcome[0] for outcome in outcomes if outcome not in refused and outcome[1]]
    assert len(added) == 3
    assert len(refused) in (2, 3)
    assert set(added) <= set(mentor.expertise.all())
    assert mentor.expertise.count() == MAX_EXPERTISE


def test_expertise_changes_while_its_tag_is_merged():
    ada = UserFactory(is_staff=True)
    for number in range(6):
        python, py = TagFactory(name="python"), TagFactory(name="py")
        mentors = [MentorProfileFactory(expertise=["py", "go"]) for _ in range(4)]
        outcomes = at_once(
            lambda py=py, python=python: merge_tags(py, python, by=ada),
            *[lambda mentor=mentor: add_expertise(mentor, "sql") for mentor in mentors[:2]],
            *[lambda mentor=mentor: remove_expertise(mentor, "py") for mentor in mentors[2:]],
        )
        assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], number
        named = [[tag.name for tag in mentor.expertise.all()] for mentor in mentors]
        assert named == [["go", "python", "sql"]] * 2 + [["go"]] * 2
        python.delete()
