"""Every page, on phones and at a desk, in the dark and in the light: accessible, and no wider than the screen."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe

from mentorbook.management.commands.seed_demo import PASSWORD

VIEWS = {
    "desk": {"width": 1280, "color_scheme": "light"},
    "phone": {"width": 390, "height": 844, "color_scheme": "dark"},
    "small phone": {"width": 320, "height": 640, "color_scheme": "light", "has_touch": True, "is_mobile": True},
}

VISITOR = [
    "/",
    "/accounts/login/",
    "/accounts/login/?next=/mentors/",
    "/accounts/signup/",
    "/accounts/signup/?intent=mentor",
    "/accounts/password/reset/",
    "/nothing-here/",
]
STUDENT = [
    "/dashboard/",
    "/mentors/",
    "/mentors/?tag=python&max_rate=60",
    "/mentors/?q=nobody-is-called-so",
    "/mentors/1/",
    "/mentors/new/",
    "/bookings/",
    "/bookings/?show=past",
    "/bookings/new/1/",
    "{chosen}",
    "/bookings/new/1/?start=2020-01-06T10:00Z",
    "{session}",
    "{session}cancel/",
    "{session}decline/",
    "{past}",
    "{to_review}",
    "/reviews/mentors/1/",
    "/bookings/availability/",
    "/nothing-here/",
    "/wallet/",
    "/notifications/",
    "/people/profile/",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/accounts/2fa/totp/activate/",
    "/accounts/sessions/",
]
MENTOR = [
    "/dashboard/",
    "/mentors/1/",
    "/mentors/edit/",
    "/bookings/",
    "/bookings/?show=requests",
    "/bookings/new/1/",
    "/bookings/availability/",
    "{session}",
    "{session}decline/",
    "/wallet/",
    "/notifications/",
]
NEWCOMER = [
    "/dashboard/",
    "/bookings/",
    "/bookings/?show=past",
    "/wallet/",
    "/notifications/",
    "/mentors/{own}/",
    "/bookings/availability/",
    "/people/profile/",
]
STAFF = [
    "/dashboard/",
    "/admin/",
    "/admin/mentors/mentorprofile/",
    "/admin/wallets/transaction/",
    "/admin/bookings/appointment/",
]
PAGES = {
    None: VISITOR,
    "ann": STUDENT,
    "max": MENTOR,
    "ada": STAFF,
    "new": ["/dashboard/"],
    "wait": NEWCOMER,
    "long": NEWCOMER,
}


FACTS = """
from allauth.account.models import EmailAddress
from django.utils import timezone
from accounts.models import User
from bookings.availability import first_free_times
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory
from mentors.actions import approve_mentor, create_profile
from mentors.models import MentorProfile
import datetime
import json
now = timezone.now()
ann, max = (User.objects.get(email=f"{name}@example.org") for name in ("ann", "max"))
theirs = Appointment.objects.filter(student=ann)
past = theirs.filter(status="completed").order_by("starts_at")
made = {}
for name, words in (("new", "Nora New"), ("wait", "Wanda Waiting"), ("long", LONG)):
    user = User.objects.create_user(email=f"{name}@example.org", password=PASSWORD, name=words)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    if name != "new":
        profile = create_profile(user, headline=words, bio=words * 3, expertise=["python"])
        made[name] = {"own": profile.pk}
        if name == "long":
            approve_mentor(profile, by=User.objects.get(email="ada@example.org"), now=now)
mentor = MentorProfile.objects.get(pk=1)
free = first_free_times([mentor], now)[mentor.pk].astimezone(datetime.UTC)
# Over midnight where Ann is: the longest time that a page has to fit.
midnight = now.replace(hour=22, minute=30) - datetime.timedelta(days=2)
lately = AppointmentFactory(student=ann, mentor=mentor, status="completed", starts_at=midnight)
print(json.dumps({
    "ann": {
        "session": theirs.upcoming(now).first().get_absolute_url(),
        "past": past.first().get_absolute_url(),
        "to_review": f"/reviews/appointments/{lately.pk}/",
        "chosen": f"/bookings/new/1/?duration=30&start={free:%Y-%m-%dT%H:%MZ}",
    },
    "max": {"session": Appointment.objects.filter(mentor__user=max).waiting().first().get_absolute_url()},
    **made,
}))
"""
LONG = "Wolfeschlegelsteinhausenbergerdorff-Adolph 🦄 بن عبد الرحمن"


@pytest.fixture(scope="module")
def demo(site):
    """The demo data, a newcomer, a mentor who waits and one with a long name; the addresses that each of them needs."""
    site.manage("seed_demo")
    return json.loads(site.python(f"PASSWORD, LONG = {PASSWORD!r}, {LONG!r}\n{FACTS}").splitlines()[-1])


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("who", PAGES)
def test_pages_are_accessible_and_fit(person, demo, who, view):
    page = person(**VIEWS[view])
    if who:
        page.goto("/accounts/login/")
        page.locator("input[name=login]").fill(f"{who}@example.org")
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("main form button.btn-primary").first.click()
        page.wait_for_url("**/dashboard/")
    problems = []
    for address in PAGES[who]:
        path = address.format(**demo.get(who, {}))
        page.goto(path)
        check_width = not path.startswith("/admin/")
        problems += [f"{path}: {problem}" for problem in problems_of(page, check_width=check_width)]
    assert not problems, "\n".join(problems)


def problems_of(page, *, check_width):
    for violation in Axe().run(page).response["violations"]:
        yield f"{violation['id']}: {violation['nodes'][0]['html'][:160]}"
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    if check_width and overflow > 0:
        yield f"{overflow} px wider than the screen"
