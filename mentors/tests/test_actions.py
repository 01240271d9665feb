import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils import timezone

from accounts.tests.factories import UserFactory
from mentorbook.errors import NotAllowed
from mentors.actions import (
    AlreadyMentor,
    LastExpertise,
    SameTag,
    TagGone,
    TooMuchExpertise,
    UnknownStatus,
    add_expertise,
    add_tag,
    approve_mentor,
    count_completed_session,
    create_profile,
    decline_mentor,
    delete_tags,
    find_or_create_tags,
    merge_tags,
    prove_skills,
    record_rating,
    record_ticket_figures,
    refresh_search_text,
    remove_expertise,
    set_next_free,
    set_status,
    update_profile,
)
from mentors.models import MAX_EXPERTISE, MentorProfile, ProvenSkill, Tag, TagSynonym
from mentors.tests.factories import MentorProfileFactory, TagFactory
from notifications.models import Kind, Notification

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
HALF_LIFE = dt.timedelta(days=180)
pytestmark = pytest.mark.django_db


def names(tags):
    return [tag.name for tag in tags]


def expertise_of(mentor):
    return names(mentor.expertise.all())


# --- Tags


def test_find_or_create_tags_gives_each_once_in_the_order_asked():
    TagFactory(name="django")
    assert names(find_or_create_tags(["Python", " DJANGO ", "python", "c#", "C++"])) == [
        "python",
        "django",
        "c#",
        "c++",
    ]
    assert Tag.objects.count() == 4


def test_find_or_create_tags_follows_synonyms():
    python = TagFactory(name="python")
    TagSynonym.objects.create(name="py", tag=python)
    assert find_or_create_tags(["py", "Python", "PY"]) == [python]
    assert Tag.objects.count() == 1


def test_find_or_create_tags_refuses_what_cannot_be_a_tag():
    with pytest.raises(ValidationError):
        find_or_create_tags(["python", "nul\x00"])
    assert not Tag.objects.exists()


def test_merge_tags_moves_the_expertise_and_keeps_both_spellings(ada):
    both = MentorProfileFactory(expertise=["py", "python"])
    only_source = MentorProfileFactory(expertise=["py", "django"])
    py, python = Tag.objects.get(name="py"), Tag.objects.get(name="python")
    TagSynonym.objects.create(name="python3", tag=py)

    merge_tags(py, python, by=ada)

    assert expertise_of(both) == ["python"]
    assert expertise_of(only_source) == ["django", "python"]
    assert find_or_create_tags(["py", "python3", "python"]) == [python]
    assert not Tag.objects.filter(name="py").exists()
    assert set(MentorProfile.objects.matching("python3")) == {both, only_source}


def test_merge_tags_refuses_a_second_time_and_itself_and_strangers(ada, ann):
    py, python = TagFactory(name="py"), TagFactory(name="python")
    with pytest.raises(SameTag):
        merge_tags(py, py, by=ada)
    with pytest.raises(NotAllowed):
        merge_tags(py, python, by=ann)
    merge_tags(py, python, by=ada)
    with pytest.raises(TagGone):
        merge_tags(py, python, by=ada)
    with pytest.raises(TagGone):
        merge_tags(python, py, by=ada)
    assert names(Tag.objects.all()) == ["python"]


def test_delete_tags_takes_them_from_everybody(ada, ann):
    mentor = MentorProfileFactory(expertise=["spam", "python"])
    with pytest.raises(NotAllowed):
        delete_tags(Tag.objects.filter(name="spam"), by=ann)
    assert delete_tags(Tag.objects.filter(name="spam"), by=ada) == 1
    assert expertise_of(mentor) == ["python"]
    assert not MentorProfile.objects.matching("spam").exists()


# --- Profiles


def test_create_profile_waits_for_staff(ann):
    profile = create_profile(ann, headline="Learns and teaches", expertise=["Django", "py"], hourly_rate_points=30)
    assert profile.approval == MentorProfile.Approval.WAITING
    assert profile.timezone == ann.timezone
    assert expertise_of(profile) == ["django", "py"]
    assert not MentorProfile.objects.listed().exists()
    assert not Notification.objects.exists()


def test_create_profile_is_approved_at_once_where_the_installation_says_so(ann, settings):
    settings.MENTORS_NEED_APPROVAL = False
    profile = create_profile(ann, headline="Hello", now=NOW)
    assert profile.is_approved
    assert profile.approved_at == NOW
    assert list(MentorProfile.objects.listed()) == [profile]


def test_create_profile_refuses_a_second_one(max):
    with pytest.raises(AlreadyMentor):
        create_profile(max, headline="Again")


@pytest.mark.parametrize(
    "fields",
    [
        {"meeting_url": "javascript:alert(1)"},
        {"meeting_url": "ftp://example.org/room"},
        {"hourly_rate_points": -1},
        {"hourly_rate_points": 100_001},
        {"session_minutes": []},
        {"session_minutes": [61]},
        {"session_minutes": [[60]]},
        {"session_minutes": [60.0]},
        {"timezone": "Middle/Earth"},
        {"slot_step_minutes": 1},
        {"max_sessions_per_day": 0},
        {"languages": ["nul\x00"]},
        {"languages": [""]},
        {"languages": [7]},
        {"bio": "nul\x00"},
        {"headline": "x" * 121},
        {"expertise": [f"tag {n}" for n in range(16)]},
    ],
)
def test_create_and_update_profile_refuse_malformed_values(ann, mentor, fields):
    with pytest.raises(ValidationError):
        create_profile(ann, **fields)
    with pytest.raises(ValidationError):
        update_profile(mentor, **fields)
    assert not MentorProfile.objects.filter(user=ann).exists()


def test_profile_actions_write_nothing_else(mentor):
    with pytest.raises(TypeError):
        update_profile(mentor, rating_sum=500)
    with pytest.raises(TypeError):
        update_profile(mentor, approval="approved")


def test_update_profile_keeps_what_is_not_given(mentor):
    update_profile(mentor, expertise=["python"])
    set_next_free({mentor.pk: NOW}, now=NOW)
    mentor = update_profile(mentor, hourly_rate_points=80, session_minutes=[90, 30, 90])
    mentor.refresh_from_db()
    assert (mentor.hourly_rate_points, mentor.session_minutes) == (80, [30, 90])
    assert expertise_of(mentor) == ["python"]
    assert mentor.is_approved
    assert mentor.next_free_checked_at is None  # other settings, other times: look again


def test_update_profile_keeps_each_language_once(mentor):
    mentor = update_profile(mentor, languages=["German", " old  norse ", "GERMAN"])
    assert mentor.languages == ["German", "old norse"]


def test_add_tag_says_whether_it_is_new(ada):
    python, is_new = add_tag(" Python ", by=ada, now=NOW)
    assert (python.name, is_new) == ("python", True)
    merge_tags(TagFactory(name="py"), python, by=ada)
    assert add_tag("PY", by=ada, now=NOW) == add_tag("python", by=ada, now=NOW) == (python, False)
    with pytest.raises(ValidationError):
        add_tag("a,b", by=ada, now=NOW)


def test_expertise_is_added_once_and_found(mentor):
    tag, is_added = add_expertise(mentor, "C++")
    assert (tag.name, is_added) == ("c++", True)
    assert add_expertise(mentor, "c++") == (tag, False)
    assert mentor in MentorProfile.objects.matching("c++")
    remove_expertise(mentor, "never named")
    with pytest.raises(LastExpertise):
        remove_expertise(mentor, "c++")
    add_expertise(mentor, "go")
    remove_expertise(mentor, "C++")
    assert expertise_of(mentor) == ["go"]
    assert mentor not in MentorProfile.objects.matching("c++")


def test_a_profile_takes_so_much_expertise_and_no_more(mentor):
    update_profile(mentor, expertise=[f"tag-{number}" for number in range(MAX_EXPERTISE)])
    with pytest.raises(TooMuchExpertise):
        add_expertise(mentor, "one-more")
    assert not Tag.objects.filter(name="one-more").exists()


def test_approve_mentor_lists_the_profile_and_tells_the_mentor_once(ann, ada):
    profile = create_profile(ann, headline="Hello")
    approve_mentor(profile, by=ada, now=NOW)
    approve_mentor(profile, by=ada, now=NOW + dt.timedelta(hours=1))
    assert MentorProfile.objects.listed().get().approved_at == NOW
    told = Notification.objects.get(recipient=ann)
    assert told.kind == Kind.MENTOR_APPROVED
    assert told.title == "Your mentor profile is approved"
    assert told.url == profile.get_absolute_url()


def test_decline_mentor_hides_the_profile_until_it_is_changed_and_approved(ann, ada):
    profile = create_profile(ann, headline="Hello")
    profile = decline_mentor(profile, by=ada, now=NOW, note="Say what you help with.")
    assert profile.approval == MentorProfile.Approval.DECLINED
    told = Notification.objects.get(recipient=ann, kind=Kind.MENTOR_DECLINED)
    assert told.url == reverse("mentors:edit")
    assert "Say what you help with." in told.body
    decline_mentor(profile, by=ada, now=NOW, note="Again")
    assert Notification.objects.filter(recipient=ann, kind=Kind.MENTOR_DECLINED).count() == 1
    profile = update_profile(profile, headline="Helps with regular expressions")
    assert profile.approval == MentorProfile.Approval.WAITING
    assert approve_mentor(profile, by=ada, now=NOW).approval_note == ""


@pytest.mark.parametrize("act", [approve_mentor, decline_mentor])
def test_only_staff_approve_and_decline(ann, max, act):
    profile = create_profile(ann, headline="Hello")
    for person in (ann, max):
        with pytest.raises(NotAllowed):
            act(profile, by=person, now=NOW)
    profile.refresh_from_db()
    assert profile.approval == MentorProfile.Approval.WAITING


def test_set_status_changes_what_is_bookable(mentor):
    assert mentor in MentorProfile.objects.bookable()
    set_status(mentor, "away")
    assert mentor not in MentorProfile.objects.bookable()
    assert mentor in MentorProfile.objects.listed()
    assert set_status(mentor, "available").status == "available"
    with pytest.raises(UnknownStatus):
        set_status(mentor, "asleep")


# --- Figures


def test_one_five_star_review_does_not_beat_forty_good_ones():
    many, one, new, bad = (MentorProfileFactory() for _ in range(4))
    record_rating(many, count=40, total=188)
    record_rating(one, count=1, total=5)
    record_rating(bad, count=1, total=1)
    assert list(MentorProfile.objects.best_rated()) == [many, one, new, bad]
    assert many.rating == 4.7
    assert one.rating_rank == pytest.approx((8 * 4.0 + 5) / 9)


def test_record_rating_goes_back_to_none(mentor):
    record_rating(mentor, count=2, total=6)
    record_rating(mentor, count=0, total=0)
    mentor.refresh_from_db()
    assert (mentor.rating, mentor.rating_rank) == (None, 4.0)


def test_count_completed_session_adds_one_whatever_the_row_in_hand_says(mentor):
    stale = MentorProfile.objects.get(pk=mentor.pk)
    count_completed_session(mentor)
    count_completed_session(stale)
    mentor.refresh_from_db()
    assert mentor.sessions_completed == 2


def test_record_ticket_figures_keeps_the_last_ones_and_knows_no_median_of_nothing(mentor):
    record_ticket_figures(mentor, solved=3, answered=5, first_response_minutes=20, solution_minutes=90)
    mentor.refresh_from_db()
    assert (mentor.tickets_solved, mentor.tickets_answered) == (3, 5)
    assert (mentor.first_response_minutes, mentor.solution_minutes) == (20, 90)

    record_ticket_figures(mentor, solved=0, answered=0, first_response_minutes=None, solution_minutes=None)
    mentor.refresh_from_db()
    assert (mentor.tickets_solved, mentor.first_response_minutes, mentor.solution_minutes) == (0, None, None)


def weights_of(mentor):
    return dict(mentor.proven_skills.values_list("tag__name", "weight"))


def test_prove_skills_adds_a_unit_to_what_is_left_of_the_earlier_ones(mentor):
    python, django = TagFactory(name="python"), TagFactory(name="django")
    prove_skills(mentor, [python], now=NOW)
    prove_skills(mentor, [python, django], now=NOW + HALF_LIFE)
    assert weights_of(mentor) == pytest.approx({"python": 1.5, "django": 1.0})
    assert set(mentor.proven_skills.values_list("weighed_at", flat=True)) == {NOW + HALF_LIFE}


def test_prove_skills_takes_off_what_the_unit_is_worth_by_then(mentor):
    python = TagFactory(name="python")
    for solved_at in (NOW, NOW + HALF_LIFE):
        prove_skills(mentor, [python], now=solved_at)
    prove_skills(mentor, [python], since=NOW, now=NOW + HALF_LIFE, undo=True)
    assert weights_of(mentor) == pytest.approx({"python": 1.0})


def test_prove_skills_never_falls_below_zero(mentor):
    python = TagFactory(name="python")
    prove_skills(mentor, [python], now=NOW)
    for _twice in range(2):
        prove_skills(mentor, [python], since=NOW, now=NOW, undo=True)
    assert weights_of(mentor) == {"python": 0}


def test_prove_skills_passes_over_a_tag_that_was_deleted_meanwhile(mentor):
    python, gone = TagFactory(name="python"), TagFactory(name="gone")
    Tag.objects.filter(pk=gone.pk).delete()
    prove_skills(mentor, [gone, python], now=NOW)
    assert weights_of(mentor) == {"python": 1.0}


def test_prove_skills_takes_a_fixed_number_of_queries(mentor, django_assert_num_queries):
    tags = [TagFactory() for _ in range(5)]
    for number in (1, 5):
        with django_assert_num_queries(5):  # the savepoint's two, the tags, the skills, the write
            prove_skills(mentor, tags[:number], now=NOW)


def test_merge_tags_adds_up_what_was_solved_with_either(mentor, ada):
    py, python = TagFactory(name="py"), TagFactory(name="python")
    other, third = MentorProfileFactory(), MentorProfileFactory()
    now = timezone.now()
    for profile, tag, weight, since in [
        (mentor, py, 2.0, now - HALF_LIFE),
        (mentor, python, 3.0, now),
        (other, py, 4.0, now),
        (third, python, 5.0, now),
    ]:
        ProvenSkill.objects.create(mentor=profile, tag=tag, weight=weight, weighed_at=since)

    merge_tags(py, python, by=ada)

    assert weights_of(mentor) == pytest.approx({"python": 4.0}, abs=0.001)
    assert weights_of(other) == pytest.approx({"python": 4.0}, abs=0.001)
    assert weights_of(third) == pytest.approx({"python": 5.0}, abs=0.001)
    assert ProvenSkill.objects.count() == 3


def test_delete_tags_forgets_what_was_solved_with_them(mentor, ada):
    python, django = TagFactory(name="python"), TagFactory(name="django")
    prove_skills(mentor, [python, django], now=NOW)
    delete_tags([python], by=ada)
    assert weights_of(mentor) == {"django": 1.0}


def test_set_next_free_orders_those_without_times_last(django_assert_max_num_queries):
    late, never, soon = (MentorProfileFactory() for _ in range(3))
    with django_assert_max_num_queries(4):
        set_next_free({late.pk: NOW + dt.timedelta(days=3), never.pk: None, soon.pk: NOW}, now=NOW)
    assert list(MentorProfile.objects.soonest()) == [soon, late, never]
    never.refresh_from_db()
    assert never.next_free_checked_at == NOW


# --- What the search finds


def test_a_new_name_is_found_and_the_old_one_is_not(mentor):
    refresh_search_text(MentorProfile.objects.all())
    assert list(MentorProfile.objects.matching("meyer")) == [mentor]
    mentor.user.name = "Max Öztürk"
    mentor.user.save()
    assert list(MentorProfile.objects.matching("ozturk")) == [mentor]
    assert not MentorProfile.objects.matching("meyer").exists()


def test_saving_a_person_without_the_name_asks_nothing(django_assert_num_queries):
    person = UserFactory()
    with django_assert_num_queries(1):
        person.save(update_fields=["last_login"])


def test_refresh_search_text_takes_a_fixed_number_of_queries(django_assert_max_num_queries):
    for _ in range(3):
        MentorProfileFactory(expertise=["python", "django"])
    MentorProfile.objects.update(search_text="")
    with django_assert_max_num_queries(7):
        assert refresh_search_text(MentorProfile.objects.all()) == 3
    assert refresh_search_text(MentorProfile.objects.all()) == 0
