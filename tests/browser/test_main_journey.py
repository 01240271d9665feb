"""From sign-up to a paid, finished, reviewed session, in real browsers, as people would."""

import re

import pytest
from playwright.sync_api import expect

PASSWORD = "a lantern in the fog"


def sign_up(page, name, email, intent):
    page.goto("/accounts/signup/")
    page.get_by_label(intent).check()
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    expect(page.get_by_label("Time zone")).not_to_have_value("")
    page.get_by_role("button", name="Create my account").click()


def become_mentor(page):
    page.get_by_label("In one line").fill("Django without the fog")
    page.get_by_label("About you as a mentor").fill("I repair slow pages.")
    page.locator("input[name=expertise]").fill("Python, Django")
    page.get_by_label("Points for an hour").fill("50")
    page.get_by_label("Book at least this long before").select_option("0")
    page.locator("main form[method=post] button.btn-primary").last.click()
    expect(page.get_by_text("approv").first).to_be_visible()


def open_hours_every_day(page):
    page.goto("/bookings/availability/")
    form = page.locator("form", has=page.get_by_role("heading", name="Add hours"))
    for day in form.get_by_role("checkbox").all():
        day.check()
    form.locator("[name=start_minute]").fill("00:00")
    form.locator("[name=end_minute]").fill("24:00")
    form.get_by_role("button", name="Add").click()
    expect(page.get_by_text("00:00–24:00").first).to_be_visible()


def approve_in_the_admin(page):
    page.goto("/admin/mentors/mentorprofile/")
    page.get_by_label("Login").or_(page.get_by_label("E-mail")).first.fill("ada@example.org")
    page.get_by_label("Password").fill(PASSWORD)
    page.locator("main form button.btn-primary, form input[type=submit]").first.click()
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("approve")
    page.get_by_role("button", name=re.compile("Go|Run")).click()
    expect(page.get_by_text("approved").first).to_be_visible()


@pytest.fixture
def people(person, site):
    """Max at a desk in Berlin, Ann on a phone in Madrid, Ada at her desk."""
    site.environment.update(DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    site.manage("createsuperuser", "--no-input", "--email=ada@example.org", "--name=Ada Admin")
    return (
        person(timezone="Europe/Berlin"),
        person(width=390, height=844, has_touch=True, timezone="Europe/Madrid"),
        person(),
    )


def test_from_sign_up_to_a_reviewed_session(people, site):
    max, ann, ada = people

    sign_up(max, "Max Meyer", "max@example.org", "I want to mentor")
    expect(max).to_have_url(re.compile("/mentors/new/"))
    become_mentor(max)
    open_hours_every_day(max)
    approve_in_the_admin(ada)

    # Ann finds Max by what he helps with, sees times of her own zone, and asks for one.
    sign_up(ann, "Ann Archer 🦉", "ann@example.org", "I want to learn")
    expect(ann.get_by_role("heading", name="Hello Ann")).to_be_visible()
    ann.goto("/mentors/?tag=django")
    ann.get_by_role("link", name="Max Meyer").first.click()
    expect(ann.get_by_role("heading", name="Max Meyer")).to_be_visible()
    ann.goto(re.sub(r"/mentors/(\d+)/.*", r"/bookings/new/\1/", ann.url))
    expect(ann.locator("main select[name=timezone]")).to_have_value("Europe/Madrid")
    ann.locator("a.slot").first.click()
    expect(ann.get_by_text("Then you have")).to_be_visible()
    ann.get_by_label("What about").fill("A form that forgets what was typed")
    ann.get_by_role("button", name=re.compile("50 points")).click()
    expect(ann.get_by_text("Max has until").first).to_be_visible()
    session = ann.url
    ann.goto("/wallet/")
    expect(ann.locator("main")).to_contain_text("50")

    # Max is told, and confirms.
    max.goto("/notifications/")
    expect(max.locator("main")).to_contain_text("A form that forgets what was typed")
    max.goto(session)
    max.get_by_role("button", name="Confirm").click()
    expect(max.get_by_text("confirmed").first).to_be_visible()
    ann.goto("/notifications/")
    expect(ann.locator("main")).to_contain_text("confirmed")

    # The hour passes.
    site.python(
        "import datetime as dt; from django.utils import timezone; from bookings.models import Appointment\n"
        "a = Appointment.objects.get(); by = a.ends_at - timezone.now() + dt.timedelta(minutes=1)\n"
        "by = dt.timedelta(seconds=int(by.total_seconds()))\n"
        "for name in ('starts_at', 'ends_at', 'blocked_from', 'blocked_until'):\n"
        "    setattr(a, name, getattr(a, name).replace(microsecond=0) - by)\n"
        "a.save()\n"
    )
    max.goto(session)
    max.get_by_role("button", name="It took place: receive 50 points").click()
    expect(max.get_by_text("completed").first).to_be_visible()
    max.goto("/wallet/")
    expect(max.locator("main")).to_contain_text("150")

    # Both write; only then both read.
    for page, words in ((ann, "The second explanation did it."), (max, "Came well prepared.")):
        page.goto(session)
        page.get_by_role("link", name=re.compile("review", re.IGNORECASE)).first.click()
        page.locator("input[name=rating][value='5']").check(force=True)
        page.locator("textarea[name=comment]").fill(words)
        page.get_by_role("button", name="Save the review").click()
        expect(page.locator("main")).to_contain_text(words)
    ann.goto(session)
    expect(ann.locator("main")).to_contain_text("Came well prepared.")

    # Staff see it all, and every point is where it should be.
    for path, words in (
        ("/admin/bookings/appointment/", "A form that forgets what was typed"),
        ("/admin/wallets/transaction/", "session paid"),
        ("/admin/feedback/review/", "Ann Archer"),
    ):
        ada.goto(path)
        expect(ada.locator("#content")).to_contain_text(words)
    assert "right" in site.manage("check_ledger")
