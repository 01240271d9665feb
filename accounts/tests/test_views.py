import pytest
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.urls import reverse

from accounts.decorators import mentor_required, staff_required
from mentorbook.errors import NotAllowed

PROFILE = {"name": "Ann Archer", "timezone": "Europe/Madrid", "bio": "Learns.", "skills": "python, CSS"}


def test_profile_needs_a_sign_in(client, db):
    assert client.get(reverse("accounts:profile")).url.startswith(reverse("account_login"))
    assert client.post(reverse("accounts:profile"), PROFILE).url.startswith(reverse("account_login"))


def test_profile_shows_the_person_and_the_ways_to_sign_in(client, ann):
    client.force_login(ann)
    page = client.get(reverse("accounts:profile")).content.decode()
    for name in ("account_email", "account_change_password", "mfa_index", "usersessions_list"):
        assert reverse(name) in page
    assert "ann@example.org" in page
    assert '<option value="Europe/Madrid" selected>' in page


def test_profile_is_saved(client, ann):
    client.force_login(ann)
    response = client.post(
        reverse("accounts:profile"),
        {"name": "Änn 🐢", "timezone": "Asia/Tokyo", "bio": "Reads.", "skills": " python,CSS , Python,, c++ "},
    )
    assert response.url == reverse("accounts:profile")
    ann.refresh_from_db()
    assert (ann.name, ann.timezone, ann.bio, ann.skills) == ("Änn 🐢", "Asia/Tokyo", "Reads.", ["python", "CSS", "c++"])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", "  "),
        ("name", "Ann\x00"),
        ("name", "A" * 101),
        ("timezone", "Mars/Olympus"),
        ("timezone", ""),
        ("bio", "x" * 2001),
        ("bio", "x\x00"),
        ("skills", ",".join(f"skill{number}" for number in range(21))),
        ("skills", "x" * 51),
        ("skills", "x\x00"),
    ],
)
def test_profile_is_refused_beside_the_field_and_keeps_what_was_typed(client, ann, field, value):
    client.force_login(ann)
    response = client.post(reverse("accounts:profile"), {**PROFILE, "bio": "I typed this.", field: value})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    if field != "bio":
        assert b"I typed this." in response.content
    assert response.context["user"].name == "Ann Archer"
    ann.refresh_from_db()
    assert ann.bio == ""


def test_profile_changes_nothing_that_is_not_on_it(client, ann):
    client.force_login(ann)
    client.post(
        reverse("accounts:profile"),
        {**PROFILE, "is_staff": "1", "is_superuser": "1", "email": "x@example.org", "id": "1", "language": "xx"},
    )
    ann.refresh_from_db()
    assert not ann.is_staff
    assert not ann.is_superuser
    assert (ann.email, ann.language) == ("ann@example.org", "en")


def test_every_page_of_the_account_opens_in_our_look(client, ann):
    client.force_login(ann)
    for name in ("account_email", "account_change_password", "account_logout", "mfa_index", "usersessions_list"):
        page = client.get(reverse(name))
        assert page.status_code == 200, name
        assert b"mentorbook.css" in page.content
        assert b"style=" not in page.content


@pytest.mark.parametrize(
    "name",
    [
        "account_login",
        "account_signup",
        "account_reset_password",
        "account_reset_password_done",
        "account_email_verification_sent",
        "account_inactive",
        "account_reset_password_from_key_done",
    ],
)
def test_pages_before_the_door_open_in_our_look_without_inline_code(client, db, name):
    page = client.get(reverse(name)).content.decode()
    assert "mentorbook.css" in page
    for forbidden in ("style=", "onclick", "<style", "<script>", "data:image"):
        assert forbidden not in page


# --- Gates by role ----------------------------------------------------------------------------------------------------


@pytest.fixture
def visit(rf):
    def call(gate, user):
        request = rf.get("/somewhere/")
        request.user = user
        return gate(lambda request: HttpResponse("in"))(request)

    return call


def test_mentor_gate_lets_mentors_in_and_tells_others_how_to_become_one(visit, ann, mentor):
    assert visit(mentor_required, mentor.user).content == b"in"
    refused = visit(mentor_required, ann)
    assert refused.status_code == 403
    assert b"for mentors" in refused.content


def test_mentor_gate_tells_who_waits_for_approval_to_wait(visit, mentor):
    mentor.approval = mentor.Approval.WAITING
    mentor.save()
    refused = visit(mentor_required, mentor.user)
    assert refused.status_code == 403
    assert b"not approved yet" in refused.content


def test_staff_gate_lets_staff_in(visit, ann, ada):
    assert visit(staff_required, ada).content == b"in"
    with pytest.raises(NotAllowed):
        visit(staff_required, ann)


@pytest.mark.parametrize("gate", [mentor_required, staff_required])
def test_gates_send_visitors_to_sign_in(visit, gate):
    assert visit(gate, AnonymousUser()).url.startswith(reverse("account_login"))
