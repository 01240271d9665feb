"""Ann founds a group, Sam joins, the group pays for a session with Max, and has its points back, in real browsers."""

import re

import pytest
from playwright.sync_api import expect

PASSWORD = "a lantern in the fog"
SCENE = f"""
from accounts.models import User
from bookings.models import WeeklyHours
from mentors.models import MentorProfile
from wallets.actions import grant_points
for name in ("Ann Archer", "Sam Stone", "Max Meyer"):
    user = User(email=name.split()[0].lower() + "@example.org", name=name, timezone="Europe/Madrid")
    user.set_password({PASSWORD!r})
    user.save()
    grant_points(user, points=100)
mentor = MentorProfile.objects.create(
    user=user, headline="Compilers", approval="approved", hourly_rate_points=50, minimum_notice_minutes=0,
    timezone="Europe/Madrid", session_minutes=[60],
)
for weekday in range(1, 8):
    WeeklyHours.objects.create(mentor=mentor, weekday=weekday, start_minute=0, end_minute=1440)
print(mentor.pk)
"""


def sign_in(page, email):
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill(email)
    page.locator("input[name=password]").fill(PASSWORD)
    page.locator("main form button.btn-primary").click()
    expect(page).to_have_url(re.compile("/dashboard"))


@pytest.fixture
def people(person, site):
    """Ann and Sam on phones, Max at a desk."""
    site.python(SCENE)
    phone = {"width": 390, "height": 844, "has_touch": True}
    people = person(**phone), person(**phone), person()
    for page, name in zip(people, ("ann", "sam", "max"), strict=True):
        sign_in(page, f"{name}@example.org")
    return people


def test_a_group_books_a_session_and_has_its_points_back(people):
    ann, sam, max = people

    # Ann founds the group, Sam joins by its link, and Ann puts points into its wallet.
    ann.goto("/groups/new/")
    ann.get_by_label("Name").fill("Compilers 🐌")
    ann.locator("main form button.btn-primary").click()
    expect(ann.get_by_role("heading", name="Compilers 🐌").first).to_be_visible()
    group = ann.url
    ann.get_by_role("button", name="Make a link").click()
    expect(ann.locator("[data-copy-from]")).to_be_visible()
    link = re.search(r"/groups/join/[^\"'\s<]+", ann.content())[0]
    sam.goto(link)
    sam.locator("main form button.btn-primary").click()
    expect(sam).to_have_url(group)
    number = re.search(r"/groups/(\d+)/", group)[1]
    ann.goto(f"/wallet/groups/{number}/contribute/")
    ann.locator("main input[name=points]").fill("60")
    ann.locator("main form button.btn-primary").click()

    # Ann books for the group, paid by the group; what she typed stays while the page changes around it.
    ann.goto("/bookings/new/1/")
    ann.locator("a.slot").nth(1).click()
    ann.get_by_label("What about").fill("A parser by hand")
    ann.get_by_label("For whom").select_option("Compilers 🐌")
    expect(ann.get_by_text("Then Compilers 🐌 has")).to_be_visible()
    expect(ann.get_by_label("What about")).to_have_value("A parser by hand")
    ann.get_by_label("Repeat weekly").select_option("2")
    expect(ann.get_by_text("40 points are missing in the wallet of Compilers 🐌.")).to_be_visible()
    ann.get_by_label("Repeat weekly").select_option("1")
    ann.get_by_role("button", name="Request for 50 points").click()
    expect(ann.get_by_text("Max has until").first).to_be_visible()
    session = ann.url

    # Sam sees it and can change nothing.
    sam.goto("/bookings/")
    expect(sam.locator("main")).to_contain_text("for Compilers 🐌")
    sam.goto(session)
    expect(sam.locator("main")).to_contain_text("Ann booked it.")
    expect(sam.get_by_role("link", name=re.compile("Withdraw|Cancel"))).to_have_count(0)

    # Max sees for whom it is, and confirms.
    max.goto(session)
    expect(max.locator("main")).to_contain_text("The group Compilers 🐌 waits for your answer")
    max.get_by_role("button", name="Confirm").click()
    expect(max.get_by_text("confirmed").first).to_be_visible()
    sam.goto("/notifications/")
    expect(sam.locator("main")).to_contain_text("has confirmed a session for Compilers 🐌")

    # Max cannot come: the points go back to where they came from.
    max.goto(session + "cancel/")
    expect(max.locator("main")).to_contain_text("50 points go back to the wallet of Compilers 🐌.")
    max.locator("main form button.btn-danger").click()
    expect(max.get_by_text("You cancelled this session")).to_be_visible()
    ann.goto(f"/wallet/groups/{number}/")
    expect(ann.locator("main")).to_contain_text("60")
    ann.goto(session)
    expect(ann.locator("main")).to_contain_text("50 points went back to the wallet of Compilers 🐌.")
