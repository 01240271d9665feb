"""The main things work as plain forms and links, on a phone whose browser runs no scripts."""

import re

import pytest
from playwright.sync_api import expect

from mentorbook.management.commands.seed_demo import PASSWORD


@pytest.fixture(scope="module")
def site(demo_site):
    return demo_site


@pytest.fixture
def ann(person, site):
    site.manage("grant_points", "ann@example.org", "200", "--note=For this journey")
    page = person(width=390, height=844, javascript=False)
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill("ann@example.org")
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Hello Ann")).to_be_visible()
    return page


def test_a_session_is_found_booked_and_withdrawn(ann):
    ann.get_by_role("link", name="Find a mentor").last.click()
    ann.get_by_label("Name or words").fill("max meyer")
    ann.get_by_role("button", name="Search").click()
    ann.get_by_role("link", name="Max Meyer", exact=True).click()
    ann.get_by_role("link", name="All free times").click()
    ann.locator("a.slot").first.click()
    # A form that is sent without its title keeps what was typed and says what is missing.
    ann.get_by_label("Details").fill("It works on my machine.")
    ann.get_by_role("button", name=re.compile("points")).click()
    expect(ann.get_by_text("Say in a few words what you want to talk about.")).to_be_visible()
    expect(ann.get_by_label("Details")).to_have_value("It works on my machine.")
    ann.get_by_label("What about").fill("A journey without scripts")
    ann.get_by_role("button", name=re.compile("points")).click()
    expect(ann.get_by_text("Max has until").first).to_be_visible()

    ann.get_by_role("link", name=re.compile("Withdraw")).click()
    expect(ann.get_by_text("come back to you")).to_be_visible()
    ann.locator("main form[method=post] button").first.click()
    expect(ann.locator("main")).to_contain_text("cancelled")
    ann.goto("/wallet/")
    expect(ann.locator("main")).to_contain_text("A journey without scripts")
