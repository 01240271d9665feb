import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP
from allauth.usersessions.models import UserSession
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission
from django.urls import reverse
from django.utils import timezone

from accounts.actions import create_personal_token, start_session
from accounts.models import IdempotentAnswer, ProgramSession, RefreshToken, User
from accounts.tests.factories import PASSWORD, UserFactory
from tests.programs import ask

LIST = "admin:accounts_user_changelist"


@pytest.fixture
def admin(client, ada):
    client.force_login(ada)
    return client


@pytest.fixture
def clerk(client, db):
    """Staff who may work with people and are no superuser."""
    user = UserFactory(email="cleo@example.org", name="Cleo Clerk", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="accounts"))
    client.force_login(user)
    return client


def change(person):
    return reverse("admin:accounts_user_change", args=[person.pk])


def fields_of(response):
    form = response.context["adminform"].form
    return {
        name: form.get_initial_for_field(field, name)
        for name, field in form.fields.items()
        if form.get_initial_for_field(field, name) not in (None, False, []) and name != "password"
    }


def test_people_are_found_by_name_and_address(admin, ann, sam):
    page = admin.get(reverse(LIST), {"q": "archer"}).content.decode()
    assert "ann@example.org" in page
    assert "sam@example.org" not in page


def test_list_takes_the_same_queries_for_one_and_for_many(admin, django_assert_num_queries):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as before:
        admin.get(reverse(LIST))
    UserFactory.create_batch(3)
    with django_assert_num_queries(len(before)):
        admin.get(reverse(LIST))


def test_person_is_added_with_an_address_in_lower_case(admin):
    response = admin.post(
        reverse("admin:accounts_user_add"),
        {
            "email": "New@Example.org",
            "name": "New",
            "timezone": "Asia/Tokyo",
            "usable_password": "true",
            "password1": PASSWORD,
            "password2": PASSWORD,
        },
    )
    person = User.objects.get(email="new@example.org")
    assert response.url == change(person)
    assert person.check_password(PASSWORD)


def test_address_taken_in_another_case_is_refused(admin, ann):
    response = admin.post(
        reverse("admin:accounts_user_add"),
        {"email": "ANN@example.org", "name": "X", "timezone": "UTC", "usable_password": "false"},
    )
    assert response.status_code == 200
    assert b"This address is taken." in response.content


def test_person_is_changed_and_a_new_address_has_to_be_confirmed(admin, ann):
    EmailAddress.objects.create(user=ann, email=ann.email, primary=True, verified=True)
    answers = fields_of(admin.get(change(ann)))
    response = admin.post(change(ann), {**answers, "email": "Ann2@example.org", "skills": "a, b"})
    assert response.status_code == 302
    ann.refresh_from_db()
    assert (ann.email, ann.skills) == ("ann2@example.org", ["a", "b"])
    address = EmailAddress.objects.get(user=ann)
    assert (address.email, address.primary, address.verified) == ("ann2@example.org", True, False)


def test_people_are_deactivated_and_activated_but_not_oneself(admin, ada, ann, sam):
    people = {"_selected_action": [ada.pk, ann.pk, sam.pk]}
    page = admin.post(reverse(LIST), {**people, "action": "deactivate"}, follow=True).content.decode()
    assert "2 people are signed out and cannot sign in." in page
    assert set(User.objects.active()) == {ada}
    assert LogEntry.objects.count() == 2
    admin.post(reverse(LIST), {**people, "action": "activate"})
    assert User.objects.active().count() == 3


def test_nobody_is_deleted(admin, ann):
    assert admin.post(reverse("admin:accounts_user_delete", args=[ann.pk]), {"post": "yes"}).status_code == 403
    assert "delete_selected" not in admin.get(reverse(LIST)).content.decode()


def test_clerk_cannot_promote_anybody(clerk, ann):
    answers = fields_of(clerk.get(change(ann)))
    assert not {"is_superuser", "is_staff", "groups", "user_permissions"} & set(answers)
    clerk.post(change(ann), {**answers, "is_superuser": "on", "is_staff": "on"})
    ann.refresh_from_db()
    assert not ann.is_superuser
    assert not ann.is_staff


def test_clerk_cannot_touch_a_superuser(clerk, ada):
    assert clerk.post(change(ada), {"email": "x@example.org"}).status_code == 403
    assert clerk.get(reverse("admin:auth_user_password_change", args=[ada.pk])).status_code == 403
    clerk.post(reverse(LIST), {"_selected_action": [ada.pk], "action": "deactivate"})
    ada.refresh_from_db()
    assert ada.is_active


@pytest.fixture
def deputy(client, db):
    """Staff with every permission there is, and no superuser."""
    user = UserFactory(email="dora@example.org", name="Dora Deputy", is_staff=True)
    user.user_permissions.set(Permission.objects.all())
    client.force_login(user)
    return client


@pytest.mark.parametrize("role", [{"is_superuser": True}, {"is_staff": True}])
def test_deputy_cannot_get_into_the_account_of_other_staff(deputy, role):
    person = UserFactory(**role)
    address = EmailAddress.objects.create(user=person, email=person.email, primary=True)
    factor = TOTP.activate(person, "VERYSECRET234567").instance
    assert deputy.post(change(person), {"email": "mine@example.org"}).status_code == 403
    assert deputy.get(reverse("admin:auth_user_password_change", args=[person.pk])).status_code == 403
    assert deputy.post(reverse("admin:account_emailaddress_change", args=[address.pk]), {}).status_code == 403
    assert deputy.post(reverse("admin:account_emailaddress_add"), {"user": person.pk}).status_code == 403
    assert deputy.post(reverse("admin:mfa_authenticator_delete", args=[factor.pk]), {"post": "yes"}).status_code == 403
    deputy.post(
        reverse("admin:mfa_authenticator_changelist"),
        {"_selected_action": [factor.pk], "action": "delete_selected", "post": "yes"},
    )
    factor.refresh_from_db()
    deputy.post(
        reverse("admin:account_emailaddress_changelist"), {"_selected_action": [address.pk], "action": "confirm"}
    )
    address.refresh_from_db()
    assert not address.verified


def test_deputy_helps_students_with_their_accounts(deputy, ann):
    address = EmailAddress.objects.create(user=ann, email=ann.email, primary=True)
    factor = TOTP.activate(ann, "VERYSECRET234567").instance
    deputy.post(
        reverse("admin:account_emailaddress_changelist"), {"_selected_action": [address.pk], "action": "confirm"}
    )
    address.refresh_from_db()
    assert address.verified
    deputy.post(reverse("admin:mfa_authenticator_delete", args=[factor.pk]), {"post": "yes"})
    assert not type(factor).objects.filter(pk=factor.pk).exists()


def test_deputy_cannot_widen_what_a_group_may(deputy):
    group = Group.objects.create(name="Helpers")
    assert deputy.get(reverse("admin:auth_group_change", args=[group.pk])).status_code == 200
    assert deputy.post(reverse("admin:auth_group_change", args=[group.pk]), {"name": "X"}).status_code == 403
    assert deputy.post(reverse("admin:auth_group_add"), {"name": "X"}).status_code == 403


def test_looking_at_addresses_is_not_confirming_them(client, ann):
    looker = UserFactory(is_staff=True)
    looker.user_permissions.set(Permission.objects.filter(codename="view_emailaddress"))
    client.force_login(looker)
    address = EmailAddress.objects.create(user=ann, email=ann.email, primary=True)
    client.post(
        reverse("admin:account_emailaddress_changelist"), {"_selected_action": [address.pk], "action": "confirm"}
    )
    address.refresh_from_db()
    assert not address.verified


def test_students_stay_out(client, ann):
    client.force_login(ann)
    for name in ("admin:index", LIST, "admin:login"):
        assert client.get(reverse(name)).status_code in (302, 403)
    assert client.get(reverse("admin:index"), follow=True).status_code == 403


def test_addresses_devices_and_second_factors_can_be_looked_at_without_secrets(admin, ann):
    EmailAddress.objects.create(user=ann, email=ann.email, primary=True, verified=True)
    UserSession.objects.create(user=ann, ip="203.0.113.9", session_key="very-secret-session", user_agent="X")
    factor = TOTP.activate(ann, "VERYSECRET234567").instance
    for page in ("account_emailaddress", "usersessions_usersession", "mfa_authenticator"):
        assert b"Ann Archer" in admin.get(reverse(f"admin:{page}_changelist"), {"q": "Ann"}).content
    html = admin.get(reverse("admin:mfa_authenticator_change", args=[factor.pk])).content.decode()
    assert "VERYSECRET" not in html
    device = UserSession.objects.get(user=ann)
    assert (
        "very-secret"
        not in admin.get(reverse("admin:usersessions_usersession_change", args=[device.pk])).content.decode()
    )


# --- Programs ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def programs_of_ann(ann):
    """Her program's session, her personal token and what lets in with it, and an answer that is kept."""
    now = timezone.now()
    tokens = start_session(ann, now=now)
    token, secret = create_personal_token(by=ann, name="Report", scope="read", valid_days=30, now=now)
    answer = IdempotentAnswer.objects.create(user=ann, key="k-1", fingerprint="f" * 64, status=201, body='{"a": "b"}')
    return ProgramSession.objects.get(), token, answer, tokens, secret


def test_what_lets_programs_in_can_be_looked_at_without_secrets(admin, programs_of_ann):
    session, token, answer, tokens, secret = programs_of_ann
    hidden = [token.digest, token.version, secret, tokens.refresh_token, RefreshToken.objects.get().digest, answer.body]
    for row in (session, token, answer):
        page = f"admin:accounts_{row._meta.model_name}"
        looked_at = [
            admin.get(reverse(f"{page}_changelist"), {"q": "Ann"}),
            admin.get(reverse(f"{page}_change", args=[row.pk])),
        ]
        for html in (response.content.decode() for response in looked_at):
            assert "Ann Archer" in html
            assert not [words for words in hidden if words in html]


def test_lists_of_programs_take_the_same_queries_for_one_and_for_three(
    admin, programs_of_ann, django_assert_num_queries
):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    counts, now = {}, timezone.now()
    pages = [
        reverse(f"admin:accounts_{name}_changelist") for name in ("programsession", "personaltoken", "idempotentanswer")
    ]
    for page in pages:
        with CaptureQueriesContext(connection) as queries:
            admin.get(page)
        counts[page] = len(queries)
    for person in UserFactory.create_batch(2):
        start_session(person, now=now)
        create_personal_token(by=person, name="Report", scope="read", valid_days=30, now=now)
        IdempotentAnswer.objects.create(user=person, key="k", fingerprint="f")
    for page, count in counts.items():
        with django_assert_num_queries(count):
            admin.get(page)


def test_staff_end_what_lets_a_program_in(admin, programs_of_ann):
    session, token, _answer, tokens, secret = programs_of_ann
    for row, access, words in (
        (session, tokens.access_token, "End the session"),
        (token, secret, "Revoke the token"),
    ):
        page = f"admin:accounts_{row._meta.model_name}"
        change, shut = reverse(f"{page}_change", args=[row.pk]), reverse(f"{page}_shut", args=[row.pk])
        assert words in admin.get(change).content.decode()
        assert words in admin.get(shut).content.decode()
        assert ask("GET", "/api/auth/me", token=access).status_code == 200
        assert admin.post(shut).url == change
        assert ask("GET", "/api/auth/me", token=access).status_code == 401
        assert shut not in admin.get(change).content.decode()
        assert admin.post(shut).url == change  # twice changes nothing
        assert admin.get(reverse(f"{page}_changelist"), {"over": "yes"}).context["cl"].result_count == 1
        assert admin.get(reverse(f"{page}_changelist"), {"over": "no"}).context["cl"].result_count == 0
    assert LogEntry.objects.count() == 4


def test_deputy_cannot_sign_out_the_programs_of_other_staff(deputy, ada, programs_of_ann):
    start_session(ada, now=timezone.now())
    of_ada = ProgramSession.objects.get(user=ada)
    url = reverse("admin:accounts_programsession_shut", args=[of_ada.pk])
    assert (deputy.get(url).status_code, deputy.post(url).status_code) == (403, 403)
    assert url not in deputy.get(reverse("admin:accounts_programsession_change", args=[of_ada.pk])).content.decode()
    assert deputy.post(reverse("admin:accounts_programsession_shut", args=[programs_of_ann[0].pk])).status_code == 302
    of_ada.refresh_from_db()
    assert of_ada.ended_at is None
