"""A session gets another time, in two real browsers: Max proposes at his desk, Ann accepts on her phone."""

import re

from playwright.sync_api import expect

PASSWORD = "a lantern in the fog"
BOOK = """
import datetime as dt
from allauth.account.models import EmailAddress
from django.utils import timezone
from accounts.models import User
from bookings.actions import book_slot, confirm_appointment
from bookings.availability import load_calendar
from bookings.models import WeeklyHours
from mentors.actions import approve_mentor, create_profile
from wallets.actions import grant_points
now = timezone.now()
ada = User.objects.create_superuser(email="ada@example.org", password=PASSWORD, name="Ada Admin")
people = []
for name in ("Ann Archer", "Max Meyer"):
    email = f"{name.split()[0].lower()}@example.org"
    user = User.objects.create_user(email=email, password=PASSWORD, name=name, timezone="Europe/Madrid")
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    people.append(user)
ann, max = people
profile = create_profile(max, headline="Django without the fog", bio="I repair slow pages.", expertise=["django"],
                         hourly_rate_points=50, session_minutes=[30, 60])
profile = approve_mentor(profile, by=ada, now=now) or profile
for weekday in range(1, 8):
    WeeklyHours.objects.create(mentor=profile, weekday=weekday, start_minute=9 * 60, end_minute=17 * 60)
profile.refresh_from_db()
grant_points(ann, points=100)
start = load_calendar(profile, now=now, student=ann).first_free(duration_minutes=60, since=now + dt.timedelta(days=3))
session = book_slot(profile, student=ann, starts_at=start, duration_minutes=60, title="Moved twice 🦉", now=now)
confirm_appointment(session, by=max, now=now)
print(session.get_absolute_url())
"""


def sign_in(page, email):
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill(email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main form button.btn-primary").click()
    page.wait_for_url("**/dashboard/")


def choose_another_time(page, which):
    """Take one of the times shown that is not the session's own; how the page writes it."""
    page.get_by_role("link", name=re.compile("Propose another time|Move it to another time")).click()
    page.locator("a.slot").nth(which).click()
    return page.locator(".move-new time").inner_text()


def test_max_proposes_another_time_and_ann_accepts(person, site):
    session = site.python(f"PASSWORD = {PASSWORD!r}\n{BOOK}").strip().splitlines()[-1]
    max, ann = person(timezone="Europe/Berlin"), person(width=390, height=844, has_touch=True)
    sign_in(max, "max@example.org")
    sign_in(ann, "ann@example.org")

    # Max proposes, and takes it back for a better one.
    max.goto(session)
    first = choose_another_time(max, 0)
    max.get_by_label("Why?").fill("The dentist.")
    max.get_by_role("button", name="Propose this time").click()
    expect(max.get_by_text("You propose another time")).to_be_visible()
    expect(max.locator(".move-new time")).to_have_text(first)
    ann.goto(session)
    expect(ann.get_by_text("Max Meyer proposes another time")).to_be_visible()
    max.get_by_role("link", name="Propose another one instead").click()
    max.locator("a.slot").nth(1).click()
    second = max.locator(".move-new time").inner_text()
    assert second != first
    max.get_by_role("button", name="Propose this time").click()
    expect(max.locator(".move-new time")).to_have_text(second)

    # Ann still looks at the first one: that she does not get, and she is shown the one that holds.
    ann.get_by_role("button", name="Move to").click()
    expect(ann.get_by_text("replaced by another one")).to_be_visible()
    expect(ann.locator(".move-new time")).not_to_have_text(first)
    ann.goto("/dashboard/")
    expect(ann.get_by_role("heading", name="Another time is proposed to you")).to_be_visible()
    ann.get_by_role("link", name=re.compile("^Answer")).first.click()
    ann.get_by_role("button", name="Move to").click()
    expect(ann.get_by_text("Agreed. Max has been told.")).to_be_visible()
    expect(ann.locator("#move-heading")).to_have_count(0)

    # Both see the new time, and what led to it.
    max.goto(session)
    expect(max.locator("main header time").first).to_have_text(second)
    expect(max.locator(".history")).to_contain_text("moved it:")
    max.goto("/notifications/")
    expect(max.locator("main")).to_contain_text("Another time: Moved twice 🦉")

    # Now Ann asks for a shorter one, without her hand leaving the thumb's reach, and Max keeps the old time.
    ann.get_by_role("link", name=re.compile("Propose another time|Move it to another time")).click()
    ann.get_by_role("link", name=re.compile("30 minutes")).click()
    expect(ann.locator("a.length.is-chosen")).to_contain_text("30 minutes")
    ann.locator("a.slot").nth(2).click()
    ann.locator("#booking-form button.btn-primary").click()
    if ann.get_by_text("You propose another time").count():
        max.goto(session)
        max.get_by_role("button", name="Keep the old time").click()
        expect(max.get_by_text("the session stays where it was")).to_be_visible()
    assert "right" in site.manage("check_ledger")
