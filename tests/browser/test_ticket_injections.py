"""Scripts, htmx and letters that spoil a page, in every text field of a ticket's life, looked at by a real browser.

`test_written_text.py` has the long texts, one after the other; here is every other field, and what a page makes of it.
"""

import json
from urllib.parse import quote, urlsplit

import pytest

from tests.thoroughness import THOROUGH

# The usual run reads the same pages without a browser, in tests/test_hostile_input.py.
pytestmark = pytest.mark.skipif(not THOROUGH, reason="a long journey; MENTORBOOK_THOROUGH=1 takes it")

PASSWORD = "a lantern in the fog"
PEOPLE = """
from allauth.account.models import EmailAddress
from django.utils import timezone
from accounts.models import User
from mentors.actions import approve_mentor, create_profile
for name in ("ann", "sam", "max", "ada"):
    make = User.objects.create_superuser if name == "ada" else User.objects.create_user
    user = make(email=f"{name}@example.org", password=PASSWORD, name=f"{name} {LIVE}")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    if name == "max":
        max = user
profile = create_profile(max, headline=LIVE, bio=HOSTILE, expertise=["python"])
approve_mentor(profile, by=User.objects.get(email="ada@example.org"), now=timezone.now())
"""
LIVE = "<img src=x onerror=alert(1)>'\"><b hx-get=/evil hx-trigger=load data-dialog>x</b>"
TURNED = "\u202e" + "Z" + "\u0351\u0489" * 20 + "W" * 60
HOSTILE = LIVE + TURNED  # as long as a title may be
ALIVE = """(html) => {
    const root = html ? new DOMParser().parseFromString(html, "text/html") : document;
    return root.querySelectorAll("[onerror], [hx-get='/evil'], [src=x]").length;
}"""
TOO_WIDE = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Somebody:
    """Signed in, in a browser. `post` sends what a form would send."""

    def __init__(self, page, name):
        self.page = page
        if name:
            page.goto("/accounts/login/")
            page.locator("input[name=login]").fill(f"{name}@example.org")
            page.locator("input[name=password]").fill(PASSWORD)
            page.locator("main form button.btn-primary").click()
            page.wait_for_url("**/dashboard/")
            self.token = json.loads(page.locator("body").get_attribute("hx-headers"))["X-CSRFToken"]

    def post(self, path, file=None, **fields):
        fields |= {"files": {"name": file, "mimeType": "text/plain", "buffer": b"words"}} if file else {}
        headers = {"X-CSRFToken": self.token}
        response = self.page.request.post(path, multipart=fields, headers=headers, max_redirects=0)
        assert response.status in (204, 302), f"{path}: {response.status}"
        return response.headers.get("location")


@pytest.fixture
def everybody(person, site):
    site.python(f"PASSWORD, LIVE, HOSTILE = {(PASSWORD, LIVE, HOSTILE)!r}\n{PEOPLE}")
    names = ("ann", "max", "ada", "sam", "")
    return {name: Somebody(person(width=390, height=844), name) for name in names}


def test_hostile_words_in_every_field_of_a_ticket_do_nothing(everybody, site):
    ann, max, ada = (everybody[name] for name in ("ann", "max", "ada"))
    question = {"title": HOSTILE, "description": HOSTILE, "tags": "python"}
    ticket = ann.post("/tickets/new/", **question, is_public="on", idempotency_key="1", file=f"{HOSTILE[:60]}.txt")
    for step, words in [
        ("accept", {}),
        ("release", {"reason": HOSTILE}),
        ("accept", {}),
        ("reply", {"text": HOSTILE, "file": f"{TURNED}.log"}),
    ]:
        reply = max.post(f"{ticket}{step}/", **words).rpartition("-")[2]
    max.post(f"{ticket}replies/{reply}/useful/", is_useful="true")
    ann.post(f"{ticket}reply/", text=HOSTILE)
    ada.post(f"{ticket}note/", text=HOSTILE)
    max.post(f"{ticket}resolve/", text=HOSTILE)
    ann.post(f"{ticket}reopen/", reason=HOSTILE)
    max.post(f"{ticket}resolve/", text=HOSTILE)
    ann.post(f"{ticket}close/")
    ann.post(f"/reviews{ticket}", rating="4", comment=HOSTILE)
    waiting = ann.post("/tickets/new/", **question, idempotency_key="2")
    ann.post("/tickets/draft/", title=HOSTILE, description=HOSTILE, tags=HOSTILE)
    article = ticket.replace("/tickets/", "/knowledge/")
    searched = f"/knowledge/?q={quote(HOSTILE)}&tag={quote(LIVE)}&sort={quote(LIVE)}"
    looked_at = {
        "ann": [ticket, waiting, f"{waiting}edit/", f"{waiting}delete/", f"{waiting}mentors/", "/tickets/new/"]
        + ["/tickets/?show=all", "/tickets/draft/discard/", "/dashboard/", "/notifications/", article],
        "max": [ticket, waiting, "/tickets/queue/?tab=all", "/tickets/queue/?tab=mine", f"/tickets/queue/?tag={LIVE}"]
        + ["/dashboard/", "/notifications/"],
        "ada": [ticket, f"/admin/tickets/ticket{ticket.removeprefix('/tickets')}change/", "/admin/tickets/ticket/"],
        "sam": [article, "/knowledge/", searched, "/mentors/1/"],
        "": [article, "/knowledge/?q=img", searched],
    }
    assert ada.page.evaluate(ALIVE, HOSTILE.replace("onerror", "lang")) == 2, "what is looked for would not be found"
    foreign, dialogs, problems = [], [], []
    for name, addresses in looked_at.items():
        page = everybody[name].page
        page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
        page.on("request", lambda request: foreign.append(request.url) if is_strange(request, site) else None)
        for address in addresses:
            response = page.goto(address)
            page.wait_for_load_state("networkidle")
            shown = f"{address} to {name or 'a visitor'}"
            assert response.status == 200, shown
            assert "onerror" in page.content(), f"nothing hostile on {shown}"
            if address == article and "\u202e" in page.content():
                problems.append(f"words turned around: {shown}")
            if page.evaluate(ALIVE):
                problems.append(f"alive: {shown}")
            if not address.startswith("/admin/") and (pixels := page.evaluate(TOO_WIDE)) > 0:
                problems.append(f"{pixels} px wider than the screen: {shown}")
    assert (problems, foreign, dialogs) == ([], [], [])


def is_strange(request, site):
    return not request.url.startswith(site.url) or urlsplit(request.url).path.endswith(("/evil", "/x"))
