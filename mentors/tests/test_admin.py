import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from mentors.models import MentorProfile, Tag
from mentors.tests.factories import MentorProfileFactory, TagFactory
from notifications.models import Notification

pytestmark = pytest.mark.django_db
MENTORS = reverse("admin:mentors_mentorprofile_changelist")
TAGS = reverse("admin:mentors_tag_changelist")


@pytest.fixture(autouse=True)
def _ada_signed_in(client, ada):
    client.force_login(ada)


def act(client, address, action, rows, **fields):
    return client.post(address, {"action": action, "_selected_action": [row.pk for row in rows], **fields})


def test_the_pages_open_with_search_and_filters(client, mentor):
    TagFactory(name="python")
    for address in (
        MENTORS,
        f"{MENTORS}?approval__exact=waiting&q=max",
        reverse("admin:mentors_mentorprofile_change", args=[mentor.pk]),
        TAGS,
        f"{TAGS}?q=py",
        reverse("admin:mentors_tag_add"),
        reverse("admin:mentors_tag_change", args=[Tag.objects.get().pk]),
        reverse("admin:mentors_tag_merge", args=[Tag.objects.get().pk]),
    ):
        assert client.get(address).status_code == 200


def test_mentors_are_approved_and_told(client, ada):
    waiting = [MentorProfileFactory(approval="waiting") for _ in range(2)]
    act(client, MENTORS, "approve", waiting)
    assert MentorProfile.objects.listed().count() == 2
    assert Notification.objects.count() == 2
    assert LogEntry.objects.filter(user=ada).count() == 2


def test_mentors_are_declined_with_a_reason(client, mentor):
    assert "Sessions booked already stay" in act(client, MENTORS, "decline", [mentor]).content.decode()
    assert act(client, MENTORS, "decline", [mentor], sure="1", note="x" * 501).status_code == 422
    mentor.refresh_from_db()
    assert mentor.is_approved
    act(client, MENTORS, "decline", [mentor], sure="1", note="Too short.")
    mentor.refresh_from_db()
    assert (mentor.approval, mentor.approval_note) == ("declined", "Too short.")


def test_staff_correct_a_profile_but_no_state_and_no_figure(client, mentor):
    address = reverse("admin:mentors_mentorprofile_change", args=[mentor.pk])
    form = client.get(address).context["adminform"].form
    typed = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    typed = {name: value for name, value in typed.items() if value is not False}
    typed |= {"headline": "Teaches Ångström", "languages": "English, Deutsch", "expertise": [TagFactory(name="go").pk]}
    typed |= {"proven_skills-TOTAL_FORMS": 0, "proven_skills-INITIAL_FORMS": 0}
    response = client.post(address, {**typed, "approval": "declined", "rating_sum": 500, "status": "away"})
    assert response.status_code == 302, response.context["adminform"].errors
    assert list(MentorProfile.objects.matching("angstrom go")) == [mentor]
    mentor.refresh_from_db()
    assert (mentor.approval, mentor.rating_sum, mentor.status) == ("approved", 0, "available")
    assert mentor.languages == ["English", "Deutsch"]


def test_tags_are_merged_on_a_page_that_names_the_consequence(client, ada):
    mentor = MentorProfileFactory(expertise=["py", "python3"])
    tags = list(Tag.objects.all())
    assert "py, python3" in act(client, TAGS, "merge", tags).content.decode()
    assert act(client, TAGS, "merge", tags, sure="1", into="nul\x00").status_code == 422
    response = act(client, TAGS, "merge", tags, sure="1", into=" Python ")
    python = Tag.objects.get()
    assert response.url == reverse("admin:mentors_tag_change", args=[python.pk])
    assert (python.name, mentor.expertise.get()) == ("python", python)
    assert {synonym.name for synonym in python.synonyms.all()} == {"py", "python3"}
    assert LogEntry.objects.filter(user=ada, object_id=str(python.pk)).count() == 2


def test_one_tag_is_merged_from_its_own_page(client):
    tag = TagFactory(name="py")
    address = reverse("admin:mentors_tag_merge", args=[tag.pk])
    assert client.post(address, {"into": "py"}).status_code == 422  # into itself
    assert client.post(address, {"into": "python"}).status_code == 302
    assert Tag.objects.get().name == "python"
    assert client.get(address).status_code == 302  # it is gone


def test_a_synonym_added_in_the_admin_is_found(client):
    mentor = MentorProfileFactory(expertise=["javascript"])
    tag = Tag.objects.get()
    formset = {"synonyms-TOTAL_FORMS": 1, "synonyms-INITIAL_FORMS": 0, "synonyms-0-tag": tag.pk}
    address = reverse("admin:mentors_tag_change", args=[tag.pk])
    assert client.post(address, {**formset, "synonyms-0-name": "ECMA Script"}).status_code == 302
    assert list(MentorProfile.objects.matching("ecma-script")) == [mentor]
    assert client.post(address, {**formset, "synonyms-0-name": "JavaScript"}).status_code == 200  # a tag already


def test_a_deleted_tag_is_found_no_more(client):
    MentorProfileFactory(expertise=["spam", "python"])
    act(client, TAGS, "delete_selected", [Tag.objects.get(name="spam")], post="yes")
    assert not MentorProfile.objects.matching("spam").exists()
    assert MentorProfile.objects.matching("python").exists()


def test_nobody_else_gets_in(client, ann, max):
    for person in (ann, max):
        client.force_login(person)
        for address in (MENTORS, TAGS, reverse("admin:mentors_tag_merge", args=[TagFactory(name="py").pk])):
            assert client.get(address).status_code == 302
