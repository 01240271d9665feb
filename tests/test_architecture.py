"""The shape of the house, checked."""

import pytest
from django.apps import apps
from django.db import connection
from django.urls import URLPattern, URLResolver, get_resolver

from mentorbook import triggers

LAYERS = ["accounts", "notifications", "wallets mentors", "tickets", "bookings", "feedback"]
HEIGHT = {app: height for height, names in enumerate(LAYERS) for app in names.split()}

# Every page that opens without signing in. A route that is not here needs a login, and nobody adds one unnoticed.
PUBLIC_PAGES = {
    "home",
    "healthz",
    "readyz",
    "groups:join",  # what an invitation is about; joining needs an account
    "accounts:switch_timezone",
    "account_signup",
    "account_login",
    "account_logout",
    "account_inactive",
    "account_confirm_login_code",  # a step of signing in, which this house does not take: leads to the sign-in page
    "account_email_verification_sent",
    "account_confirm_email",
    "account_reset_password",
    "account_reset_password_done",
    "account_reset_password_from_key",
    "account_reset_password_from_key_done",
    "mfa_authenticate",
    # Where the installation says so, everybody reads the knowledge base.
    "knowledge:list",
    "knowledge:short",
    "knowledge:article",
    "tickets:attachment",
    "calendar:feed",  # whoever has its address, which is a secret
}


def our_models():
    return [model for model in apps.get_models() if model._meta.app_label in (*HEIGHT, "mentorbook")]


def named_views(resolver=None, namespace=""):
    for pattern in (resolver or get_resolver()).url_patterns:
        if isinstance(pattern, URLResolver):
            if pattern.namespace in ("admin", "api"):  # these have gates of their own, tested below and in test_api
                continue
            inner = f"{namespace}{pattern.namespace}:" if pattern.namespace else namespace
            yield from named_views(pattern, inner)
        elif isinstance(pattern, URLPattern):
            yield f"{namespace}{pattern.name or pattern.pattern}", pattern.callback


def test_foreign_keys_point_downwards():
    """Import-linter cannot see a foreign key that is written as a string."""
    upwards = [
        f"{model._meta.label}.{field.name} → {field.related_model._meta.label}"
        for model in our_models()
        if model._meta.app_label in HEIGHT
        for field in [*model._meta.fields, *model._meta.many_to_many]
        if field.related_model is not None
        and field.related_model._meta.app_label in HEIGHT
        and field.related_model._meta.app_label != model._meta.app_label
        and HEIGHT[field.related_model._meta.app_label] >= HEIGHT[model._meta.app_label]
    ]
    assert upwards == []


def test_public_pages_are_those_of_the_list():
    public = {name for name, view in named_views() if not getattr(view, "login_required", True)}
    assert public == PUBLIC_PAGES


def test_every_model_is_in_the_admin():
    from django.contrib import admin

    inlines = {inline.model for model_admin in admin.site._registry.values() for inline in model_admin.inlines}
    shown = set(admin.site._registry) | inlines
    assert [model._meta.label for model in our_models() if model not in shown] == []


@pytest.mark.django_db
def test_every_trigger_exists_after_migrations():
    expected = {trigger.name for trigger in triggers.registered(connection.vendor)}
    assert expected
    assert expected <= triggers.installed_names(connection)


@pytest.mark.django_db
@pytest.mark.parametrize("path", ["/admin/", "/admin/accounts/user/", "/admin/wallets/wallet/"])
def test_the_admin_lets_only_staff_in(client, ann, path):
    assert client.get(path).status_code == 302
    client.force_login(ann)
    assert client.get(path).status_code in (302, 403)
