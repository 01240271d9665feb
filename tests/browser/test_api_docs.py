"""The pages that show the API, under the content security policy of the whole site."""

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import expect

from mentorbook.management.commands.seed_demo import PASSWORD

SLOW = 30_000  # a thousand elements for each of the pages, on a machine that does other things as well
VIEWS = [{"width": 1280, "color_scheme": "light"}, {"width": 390, "color_scheme": "dark"}]


@pytest.fixture(scope="module")
def site(demo_site):
    """Nothing that is done here changes what is there."""
    return demo_site


@pytest.fixture(params=VIEWS, ids=["desk in light", "phone in the dark"])
def page(person, request):
    """A page that also collects what it asked other hosts for, and what the policy forbade."""
    page = person(**request.param)
    page.strange = []
    page.on("request", lambda asked: page.strange.append(asked.url) if is_foreign(asked.url) else None)
    page.add_init_script(
        "window.forbidden = []; document.addEventListener('securitypolicyviolation',"
        " (event) => window.forbidden.push(event.violatedDirective + ' ' + event.blockedURI));"
    )
    yield page
    assert page.evaluate("window.forbidden") == []
    assert page.strange == []


def is_foreign(url):
    return not url.startswith(("http://127.0.0.1:", "blob:"))


def fits(page):
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def contrast_faults(page):
    """What cannot be read well of our own part of the page: what Swagger UI and Redoc bring is theirs."""
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("axe.run('.api-docs-header', {runOnly: ['wcag2a', 'wcag2aa']})")
    return [fault["id"] for fault in found["violations"]]


def test_swagger_ui_shows_every_operation(page):
    paths = page.request.get("/api/openapi.json").json()["paths"]
    page.goto("/api/docs")
    expect(page.locator(".opblock")).to_have_count(sum(len(operations) for operations in paths.values()), timeout=SLOW)
    assert fits(page)
    assert contrast_faults(page) == []


def test_swagger_ui_asks_the_api_with_a_token(page):
    signed_in = page.request.post("/api/auth/signin", data={"email": "ann@example.org", "password": PASSWORD})
    page.goto("/api/docs")
    page.get_by_role("button", name="Authorize").first.click()
    page.get_by_label("auth-bearer-value").fill(signed_in.json()["access_token"])
    page.locator(".auth-btn-wrapper .authorize").click()
    page.locator(".auth-btn-wrapper .btn-done").click()
    operation = page.locator(".opblock", has=page.get_by_text("Who you are", exact=True))
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    operation.get_by_role("button", name="Execute").click()
    answer = operation.locator(".live-responses-table")
    answer.get_by_text('"ann@example.org"').wait_for()
    assert "x-request-id" in answer.inner_text()
    assert fits(page)


def test_swagger_ui_opens_an_operation_with_a_body_and_its_schema(page):
    page.goto("/api/docs")
    operation = page.locator(".opblock", has=page.get_by_text("/api/auth/signup", exact=False)).first
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    assert "Ann Archer" in operation.locator("textarea").first.input_value()
    operation.get_by_role("tab", name="Schema").first.click()
    expect(operation.get_by_text("[1, 254] characters").first).to_be_visible()
    assert fits(page)


def test_redoc_shows_every_operation(page):
    description = page.request.get("/api/openapi.json").json()
    summaries = {
        operation["summary"] for operations in description["paths"].values() for operation in operations.values()
    }
    page.goto("/api/redoc")
    headings = page.locator("#redoc-ui h2")
    headings.nth(len(summaries) - 1).wait_for(timeout=SLOW)
    assert summaries <= {heading.strip() for heading in headings.all_inner_texts()}
    # Its own style sheets are there: an unstyled heading is bold.
    assert headings.first.evaluate("(heading) => getComputedStyle(heading).fontWeight") == "400"
    assert fits(page)
    assert contrast_faults(page) == []


def test_the_documentation_needs_no_account_and_names_itself_to_nobody(page):
    for path in ("/api/docs", "/api/redoc"):
        answer = page.request.get(path)
        assert answer.status == 200
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-request-id"]
    page.goto("/api/docs")
