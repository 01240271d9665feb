"""A question from its asking to an article, in real browsers: two people who write to each other, one who searches."""

import re

import pytest
from playwright.sync_api import expect

PASSWORD = "a lantern in the fog"
TITLE = "Why does a list of authors take a minute? 🐌"
CODE = "for author in authors:\n    print(author.books.count())"

PEOPLE = """
from allauth.account.models import EmailAddress
from django.utils import timezone
from accounts.models import User
from mentors.actions import approve_mentor, create_profile
ada = User.objects.create_superuser(email="ada@example.org", password=PASSWORD, name="Ada Admin")
for name in ("Ann Archer", "Max Meyer", "Sam Stone"):
    email = f"{name.split()[0].lower()}@example.org"
    user = User.objects.create_user(email=email, password=PASSWORD, name=name, timezone="Europe/Madrid")
    EmailAddress.objects.create(user=user, email=email, verified=True, primary=True)
    if name == "Max Meyer":
        profile = create_profile(user, headline="Django without the fog", bio="I repair slow pages.",
                                 expertise=["python", "django"])
        approve_mentor(profile, by=ada, now=timezone.now())
"""


@pytest.fixture(scope="module")
def accounts(site):
    site.python(f"PASSWORD = {PASSWORD!r}\n{PEOPLE}")


@pytest.fixture
def people(person, accounts):
    """Ann on a phone, Max at a desk, Sam, who looks for an answer; all signed in."""
    pages = person(width=390, height=844, has_touch=True), person(), person()
    for page, name in zip(pages, ("ann", "max", "sam"), strict=True):
        page.goto("/accounts/login/")
        page.locator("input[name=login]").fill(f"{name}@example.org")
        page.locator("input[name=password]").fill(PASSWORD)
        page.locator("main form button.btn-primary").click()
        page.wait_for_url("**/dashboard/")
    return pages


def write(page, text):
    page.locator("#write textarea[name=text]").fill(text)


def come_back_to(page):
    """What a page notices when its tab is shown again; it looks for news at once."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def test_from_a_question_to_an_article(people):
    ann, max, sam = people

    ann.goto("/tickets/new/")
    ann.locator("input[name=title]").fill(TITLE)
    ann.locator("textarea[name=description]").fill(f"It worked with ten.\n\n```python\n{CODE}\n```")
    tags = ann.get_by_label("Tags")
    tags.fill("django")
    tags.press("Enter")
    ann.locator("#ask-button").click()
    expect(ann.get_by_role("heading", name=TITLE)).to_be_visible()
    expect(ann.get_by_role("heading", name="Waiting for a mentor since")).to_be_visible()
    expect(ann.locator(".code-block code")).to_contain_text("author.books.count()")
    expect(ann.get_by_role("button", name="Copy")).to_be_visible()
    expect(ann.get_by_role("heading", name="Mentors who fit this question")).to_be_visible()
    ticket = re.sub("#.*", "", ann.url)

    # Max finds it in his queue and takes it.
    max.goto("/tickets/queue/")
    max.get_by_role("link", name=TITLE).click()
    max.get_by_role("button", name="Take this question").click()
    expect(max.get_by_role("heading", name="Ann waits for you: write until")).to_be_visible()

    # Ann is typing. Her page learns of Max and of his words by itself, and leaves hers alone.
    typing = ann.locator("#write textarea[name=text]")
    typing.fill("I should add that")
    typing.focus()
    expect(ann.get_by_role("heading", name="Max has until")).to_be_visible(timeout=25_000)
    max.get_by_role("button", name="Send as reply").click()
    expect(max.get_by_text("Write something first.")).to_be_in_viewport()
    write(max, "How many authors are there?\n\n```python\nAuthor.objects.count()\n```")
    max.get_by_role("button", name="Send as reply").click()
    expect(max.locator("#conversation")).to_contain_text("How many authors are there?")
    come_back_to(ann)
    expect(ann.locator("#conversation")).to_contain_text("How many authors are there?")
    expect(ann.locator("#news")).to_contain_text("Max Meyer has written.")
    expect(ann.get_by_role("heading", name="Max has written: your turn")).to_be_visible()
    expect(ann.locator("#conversation").get_by_role("button", name="Copy")).to_be_visible()
    expect(typing).to_have_value("I should add that")
    expect(typing).to_be_focused()
    typing.fill("Two thousand. I should add that it worked with ten.")
    ann.locator("#write").get_by_role("button", name="Preview").click()
    expect(ann.locator("#write [data-editor-shown] .prose")).to_contain_text("Two thousand.")
    ann.get_by_role("button", name="Send the reply").click()
    expect(ann.locator("#conversation")).to_contain_text("Two thousand.")

    # Max solves it; his buttons are those of one form.
    come_back_to(max)
    expect(max.locator("#conversation")).to_contain_text("Two thousand.")
    write(max, "Let the database count: `annotate(count=Count('books'))`.")
    max.get_by_role("button", name="This solves it").click()
    expect(max.locator(".post-solution")).to_contain_text("Let the database count")
    expect(max.get_by_role("button", name="This solves it")).to_have_count(0)

    # It was not all: Ann reopens with a reason, in a dialog. Max marks what he writes then.
    come_back_to(ann)
    expect(ann.get_by_role("heading", name="Max has a solution: did it help?")).to_be_visible()
    ann.get_by_role("link", name="Not solved: reopen").click()
    ann.get_by_role("dialog").get_by_label("What is still missing?").fill("Where does Count come from?")
    ann.get_by_role("dialog").get_by_role("button", name="Reopen the ticket").click()
    expect(ann.locator(".post-earlier")).to_contain_text("Let the database count")
    max.goto(ticket)
    expect(max.locator("#next-step")).to_contain_text("Where does Count come from?")
    write(max, "From `django.db.models`: `annotate(count=Count('books'))`.")
    max.get_by_role("button", name="Send as reply").click()
    max.get_by_role("link", name="This is the solution").last.click()
    max.get_by_role("dialog").get_by_role("button", name="Mark it as the solution").click()
    expect(max.locator(".post-solution")).to_contain_text("From django.db.models")

    # Ann closes it and is asked for a review.
    ann.reload()
    ann.get_by_role("link", name="Go to the solution").click()
    expect(ann.locator(".post-solution")).to_be_in_viewport()
    ann.get_by_role("button", name="That solved it: close").click()
    expect(ann.get_by_role("heading", name="Solved and closed on")).to_be_visible()
    expect(ann.get_by_role("link", name="Write a review")).to_be_visible()

    # Sam never saw the ticket, and finds the answer.
    assert sam.goto(ticket).status == 404
    sam.goto("/knowledge/?q=count+authors")
    sam.get_by_role("link", name=TITLE).first.click()
    expect(sam.get_by_role("heading", name=TITLE)).to_be_visible()
    expect(sam.locator("main")).to_contain_text("From django.db.models")
    expect(sam.locator("main")).not_to_contain_text("Ann")


def test_a_page_that_is_signed_out_stays_as_it_is(people, site):
    """It stops looking and does not lead away from what is being typed."""
    ann, _max, _sam = people
    ticket = site.python(
        "from django.utils import timezone\n"
        "from accounts.models import User\n"
        "from tickets.actions import create_ticket\n"
        "ann = User.objects.get(email='ann@example.org')\n"
        "print(create_ticket(ann, title='Still here', description='?', tags=['python'], now=timezone.now()).pk)"
    ).split()[-1]
    ann.goto(f"/tickets/{ticket}/")
    write(ann, "An hour of typing")
    ann.context.clear_cookies()
    with ann.expect_response(lambda response: "/accounts/login/" in response.url):
        come_back_to(ann)
    expect(ann.locator("#live")).to_have_count(0)
    expect(ann.locator("#write textarea[name=text]")).to_have_value("An hour of typing")
    assert ann.url.endswith(f"/tickets/{ticket}/")
