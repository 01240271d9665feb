"""What people write, looked at by a real browser: hostile text does nothing, and code can be copied."""

from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect

from mentorbook.tests.injections import CORPUS

PASSWORD = "learning together"
MARK = "the end of it"
ATTRIBUTES_OF = """
    (root) => [...root.querySelectorAll("*")].flatMap((element) =>
        [...element.attributes].map((attribute) => `${element.localName} ${attribute.name}`))
"""
ATTRIBUTES = {
    *("a href", "a rel", "a title", "ol start", "span class", "th class", "td class"),
    *(f"{frame} {name}" for frame in ("div", "pre") for name in ("class", "tabindex", "role", "aria-label")),
    # the button that our own script adds to code, and its icon
    *(f"button {name}" for name in ("type", "class", "data-copy-code", "data-copy", "data-copied")),
    *("span data-copy-label", "span role", "span data-copy-status"),
}
ICON = {"svg", "path", "rect", "circle", "line", "polyline"}


@pytest.fixture(scope="module")
def writer(site):
    site.python(
        "from accounts.models import User; from allauth.account.models import EmailAddress\n"
        f"user = User.objects.create_user('ann@example.org', {PASSWORD!r}, name='Ann Archer')\n"
        "EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)"
    )


@pytest.fixture
def reader(person, writer):
    """Ann, signed in."""
    page = person(width=390, height=844, permissions=["clipboard-read", "clipboard-write"])
    page.goto("/accounts/login/")
    page.locator("input[name=login]").fill("ann@example.org")
    page.locator("input[name=password]").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Hello Ann")).to_be_visible()
    return page


def read(page, text):
    """The page that shows `text`, as one gets to it without scripts."""
    page.evaluate(
        """(text) => {
            const form = document.createElement("form");
            const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRFToken"];
            form.method = "post";
            form.action = "/tickets/preview/";
            for (const [name, value] of Object.entries({ text, csrfmiddlewaretoken: token })) {
                const field = document.createElement("textarea");
                field.name = name;
                field.value = value;
                form.append(field);
            }
            document.body.append(form);
            form.submit();
        }""",
        text,
    )
    page.wait_for_url("**/tickets/preview/")
    shown = page.locator("main .prose")
    expect(shown).to_be_visible()
    return shown


def swap_in(page, text):
    """The same, put into the page that is there by htmx."""
    page.wait_for_load_state()  # until then what is deferred has run
    page.evaluate("(text) => htmx.ajax('POST', '/tickets/preview/', {target: 'main', values: {text}})", text)
    shown = page.locator("main .prose")
    expect(shown).to_be_visible()
    return shown


def chunks(texts, limit=19_000):
    """The texts put together, with a paragraph between them, up to the length of a question."""
    together = ""
    for text in texts:
        if len(together) + len(text) > limit:
            yield together
            together = ""
        together += f"{text}\n\nnext\n\n"
    yield together


def test_hostile_text_does_nothing(reader, site):
    """Faults on the console, violations of the content security policy among them, fail the test in `person`."""
    dialogs, foreign, called = [], [], set()
    reader.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))

    def heard(request):
        if request.url.startswith(site.url):
            called.add((request.method, urlsplit(request.url).path))
        else:
            foreign.append(request.url)

    reader.on("request", heard)
    seen = 0
    for text in chunks(text.replace("\0", "") for text in CORPUS):  # forms refuse NUL
        shown = read(reader, text + MARK)
        expect(shown).to_contain_text(MARK)
        found = set(shown.evaluate(ATTRIBUTES_OF))
        assert {name for name in found if name.split()[0] not in ICON} <= ATTRIBUTES
        schemes = shown.evaluate("(root) => [...root.querySelectorAll('a[href]')].map((link) => link.protocol)")
        assert set(schemes) <= {"http:", "https:", "mailto:"}
        seen += shown.locator("p, li, code, td, th, a").count()
    assert seen > len(CORPUS)
    assert (dialogs, foreign) == ([], [])
    assert {call for call in called if call[0] != "GET"} == {("POST", "/tickets/preview/")}
    assert {path for _, path in called if not path.startswith(("/static/", "/favicon"))} == {"/tickets/preview/"}


@pytest.mark.parametrize("arrive", [read, swap_in])
def test_code_is_copied(reader, arrive):
    shown = arrive(reader, 'Look:\n\n```python\nprint("a < b")\n```\n\n```\nplain\n```')
    expect(shown.locator("[data-copy-code]")).to_have_count(2)
    button = shown.get_by_role("button", name="Copy the code").first
    button.press("Enter")
    expect(shown.get_by_role("status").first).to_have_text("Copied")
    assert reader.evaluate("navigator.clipboard.readText()") == 'print("a < b")\n'
    expect(shown.locator("[data-copy-label]").first).to_have_text("Copy")


def test_code_is_copied_without_a_clipboard(reader):
    """As on a site without TLS."""
    shown = read(reader, "```\nselected\n```")
    reader.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    shown.get_by_role("button", name="Copy the code").click()
    expect(shown.get_by_role("status").first).to_have_text("Copied")
    assert reader.evaluate("getSelection().toString().trim()") == "selected"
