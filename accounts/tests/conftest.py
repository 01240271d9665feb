import pytest
from django.core.cache import cache


@pytest.fixture(autouse=True)
def _nobody_has_tried_yet():
    """Counts of wrong passwords live in the cache, which outlives a test's database."""
    cache.clear()
    yield
    cache.clear()


@pytest.fixture
def fast_forward():
    """Move the clock on: `fast_forward(seconds=300)`."""
    import datetime as dt

    import time_machine

    with time_machine.travel(dt.datetime(2026, 11, 24, 10, tzinfo=dt.UTC), tick=True) as traveller:
        yield lambda **duration: traveller.shift(dt.timedelta(**duration))


@pytest.fixture
def sign_up(client):
    """Send the sign-up form as a visitor, with whatever is given in place of what fits."""
    from django.urls import reverse

    from accounts.tests.factories import PASSWORD

    def send(**fields):
        answers = {
            "intent": "learn",
            "name": "Nadia Newcomer",
            "email": "nadia@example.org",
            "password1": PASSWORD,
            "timezone": "Asia/Kathmandu",
            **fields,
        }
        return client.post(reverse("account_signup"), answers)

    return send


@pytest.fixture
def sign_in(client):
    from django.urls import reverse

    from accounts.tests.factories import PASSWORD

    def send(email="ann@example.org", password=PASSWORD, **headers):
        return client.post(reverse("account_login"), {"login": email, "password": password}, headers=headers)

    return send
