"""Nothing that anybody sends may end in an error of ours, or come alive on somebody's page.

The fields are not listed here: they are read off the pages themselves, each opened by somebody who may. Every value of
`hostile.VALUES` meets every page; a run takes a part of the pairs of field and value, the same one each time, a larger
one with MENTORBOOK_THOROUGH=1 and all of them with MENTORBOOK_THOROUGH=all.
"""

import csv
import datetime as dt
import io
import logging
import re
import zlib
from html.parser import HTMLParser
from urllib.parse import parse_qsl, quote, unquote_to_bytes, urljoin, urlsplit

import pytest
from django.core import mail
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.html import escape

from accounts.models import User
from bookings.tests.factories import rich, works_every_day
from mentors.models import MentorProfile
from notifications.outbox import drain
from tests.hostile import LEGAL, QUERIES, VALUES
from tests.test_permissions import World
from tests.thoroughness import EVERYTHING, THOROUGH, amount
from tickets.models import Ticket

pytestmark = pytest.mark.django_db

FORM = "application/x-www-form-urlencoded"
SOON = timezone.now().date() + dt.timedelta(days=20)
# What a form answers to what it does not take.
REFUSALS = {400, 402, 403, 404, 409, 413, 422, 429}


# --- The house, with everybody in it ----------------------------------------------------------------------------------


class House(World):
    def post_and_look(self, person, address, body):
        """The statuses of the answer and, where the form was taken, of the pages that show what it left behind."""
        self.undoes = False
        with transaction.atomic():
            response = self.ask(person, "POST", address, body)
            statuses = [response.status_code]
            if response.status_code == 302 and response.url.startswith("/"):
                everything = "tickets:queue" if address.startswith("/tickets/") else "bookings:list"
                for looker, page in [(person, response.url), ("max", reverse(everything))]:
                    statuses.append(self.ask(looker, "GET", page).status_code)
            transaction.set_rollback(True)
        self.undoes = True
        return statuses


@pytest.fixture
def world(db, monkeypatch):
    monkeypatch.setattr("django.test.client.store_rendered_templates", lambda *args, **kwargs: None)
    monkeypatch.setattr(logging.getLogger("django.request"), "level", logging.ERROR)
    world = House()
    for client in world.clients.values():
        client.raise_request_exception = False
    rich(User.objects.get(email="ann@example.org"))
    works_every_day(MentorProfile.objects.get(user__email="max@example.org"), 18 * 60, 22 * 60)
    return world


PAGES = {
    "visitor": """
        home  account_login  account_signup  account_reset_password  account_reset_password_from_key:uid-key
        groups:join:way  account_confirm_email:key  account_inactive  knowledge:list  knowledge:article:slug
    """,
    "ann": """
        groups:list  groups:create  groups:detail:team  groups:edit:team  groups:dissolve:team  groups:remove:team-max
        groups:hand_over:team-max  wallets:group:team  wallets:group_csv:team  wallets:contribute:team
        wallets:give_back:team
        accounts:tokens  accounts:revoke_token:token
        dashboard  accounts:profile  account_email  account_change_password  account_reauthenticate  usersessions_list
        mfa_index  mfa_activate_totp  account_logout  mentors:list  mentors:tags  mentors:detail:max  bookings:list
        bookings:find  bookings:choose:max  bookings:chat:max  bookings:detail:asked  bookings:cancel:asked
        bookings:cancel_series:weekly
        feedback:create:held  feedback:edit:review
        feedback:of_mentor:max  wallets:statement  wallets:statement_csv  notifications:list  tickets:list
        tickets:create  tickets:discard_draft  tickets:detail:open  tickets:detail:taken  tickets:detail:solved
        tickets:edit:open  tickets:delete:open  tickets:reopen:solved  tickets:mentors:open
        feedback:create_for_ticket:article
        bookings:calendar  bookings:dispute:running  bookings:detail:disputed
    """,
    "sam": "groups:join:way  mentors:create  knowledge:list  knowledge:article:slug  knowledge:bookmarks",
    "max": """
        groups:detail:team  groups:leave:team
        dashboard  mentors:edit  mentors:detail:max  bookings:availability  bookings:day  bookings:detail:asked
        bookings:calendar_settings  bookings:calendar  bookings:answer_dispute:disputed  bookings:detail:disputed
        bookings:detail:running  bookings:decline:asked  bookings:no_show:running  bookings:move:asked
        feedback:create:held
        tickets:queue  tickets:detail:open  tickets:detail:taken  tickets:release:taken  tickets:edit_reply:answer
    """,
    "ada": """
        admin:accounts_personaltoken_shut:token  admin:accounts_programsession_shut:program
        admin:accounts_projectgroup_hand_over:team  admin:accounts_projectgroup_dissolve:team
        admin:wallets_wallet_grant:?team
        admin:index  admin:wallets_wallet_grant:?ann  admin:wallets_transaction_reverse:grant
        admin:mentors_tag_merge:tag  admin:bookings_appointment_cancel:?asked  admin:auth_user_password_change:ann
        admin:autocomplete:?tags  tickets:detail:taken  admin:tickets_ticket_reassign:taken
        admin:bookings_dispute_decide:dispute
    """,
}


def pages(world, *people):
    """(person, address) of every page that has something to fill in or to ask for."""
    for person in people or PAGES:
        for page in PAGES[person].split():
            route, _colon, of = page.rpartition(":")
            yield person, world.address(route, of) if of in world.named else world.address(page)
        if person == "ann":
            yield person, reverse("bookings:find") + "?duration=60&price=100"
            choose = world.address("bookings:choose", "max")
            start = next(link for link in read(world, "ann", choose).links if "start=" in link)
            yield person, urljoin(choose, start)
        if person == "ada":
            for row in world.objects:
                label = f"admin:{row._meta.app_label}_{row._meta.model_name}"
                yield person, reverse(f"{label}_changelist")
                yield person, reverse(f"{label}_change", args=[row.pk])


class Reader(HTMLParser):
    """What a page consists of: its forms with what they would send, its links, its tags."""

    def __init__(self, html):
        super().__init__()
        self.forms, self.links, self.tags = [], [], []
        self._outside = []  # fields that name their form
        self._form = self._select = self._text = None
        self.feed(html)
        by_id = {form["id"]: form["fields"] for form in self.forms}
        for form_id, name, value in self._outside:
            by_id[form_id][name] = value

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.tags.append((tag, attributes))
        name, value = attributes.get("name"), attributes.get("value") or ""
        if tag == "form":
            parts = {key: attributes.get(key) for key in ("id", "method", "action")}
            self._form = {**parts, "fields": {}}
            self.forms.append(self._form)
        elif tag == "a":
            self.links.append(attributes.get("href") or "")
        elif tag == "option" and self._select and self._form and "selected" in attributes:
            self._form["fields"][self._select] = value
        elif tag in ("input", "select", "textarea", "button") and name:
            self._select = name if tag == "select" else None
            if "form" in attributes:
                self._outside.append((attributes["form"], name, value))
            elif self._form is None:
                return
            elif attributes.get("type") not in ("radio", "checkbox") or "checked" in attributes:
                self._form["fields"][name] = value
            else:
                self._form["fields"].setdefault(name, value)
            self._text = name if tag == "textarea" and "form" not in attributes else None
        if tag == "button" and "formaction" in attributes:
            self.forms.append({**self._form, "action": attributes["formaction"].partition("#")[0]})

    def handle_data(self, words):
        if self._text:
            self._form["fields"][self._text] += words.removeprefix("\n")

    def handle_endtag(self, tag):
        self._text = None
        if tag == "form":
            self._form = None


def read(world, person, address):
    response = world.ask(person, "GET", address)
    is_page = response.headers.get("Content-Type", "").startswith("text/html")
    return Reader(response.content_as_read.decode() if is_page else "")


def errors(caplog):
    """What the log calls an error and is one of ours; a request refused with 400 is logged as well."""
    return [record for record in caplog.records if not record.name.startswith("django.security")]


def some(pairs, most):
    """`most` of the pairs, spread over all of them and the same each time."""
    pairs = sorted(pairs, key=lambda pair: zlib.crc32(repr(pair).encode()))
    return pairs if EVERYTHING else pairs[:most]


def encoded(fields, name, value):
    return "&".join(f"{quote(key)}={value if key == name else quote(old)}" for key, old in fields.items())


# --- Forms ------------------------------------------------------------------------------------------------------------


def forms(world):
    """(person, action, fields) of every form that posts, once."""
    found = {}
    for person, address in pages(world):
        for form in read(world, person, address).forms:
            if (form["method"] or "get").lower() == "post":
                action = form["action"] or address
                fields = {name: value for name, value in form["fields"].items() if name != "csrfmiddlewaretoken"}
                found[person, action, *sorted(fields)] = (person, action, fields)
                if "do" in fields:  # by a button that only shows or keeps what is typed, so also without
                    sent = {name: value for name, value in fields.items() if name != "do"}
                    found[person, action, *sorted(sent)] = (person, action, sent)
    return list(found.values())


def test_no_field_of_any_form_takes_the_house_down(world, caplog):
    found = forms(world)
    assert len(found) > 40, "the pages' forms are not found any more"
    pairs = [(number, name, value) for number, form in enumerate(found) for name in form[2] for value in VALUES]
    assert len(pairs) > 10_000
    wrong = []
    with caplog.at_level("ERROR"):
        for number, name, value in some(pairs, amount(60, 120)):
            person, action, fields = found[number]
            caplog.clear()
            statuses = world.post_and_look(person, action, encoded(fields, name, VALUES[value]))
            if max(statuses) >= 500 or not {statuses[0]} & ({200, 302} | REFUSALS) or errors(caplog):
                wrong.append(f"{action} {name}={value} by {person}: {statuses} {caplog.messages}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("value", [name for name in VALUES if "host" in name or name in ("NaN", "header", "path")])
def test_next_leads_to_pages_of_ours_only(world, value):
    for person, route, of, others in [
        ("ann", "accounts:switch_timezone", "", "timezone=UTC"),
        ("visitor", "accounts:switch_timezone", "", "timezone=UTC"),
        ("max", "mentors:set_status", "", "status=busy"),
        ("max", "bookings:confirm", "asked", ""),
    ]:
        response = world.ask(person, "POST", world.address(route, of), f"{others}&next={VALUES[value]}")
        assert response.status_code == 302
        assert response.url.startswith("/")
        assert "evil" not in response.url
    response = world.ask("ann", "GET", f"{reverse('account_login')}?next={VALUES[value]}")
    assert response.status_code == 302
    assert "evil" not in response.url


def test_what_was_typed_is_kept_when_it_is_refused(world):
    typed = quote("Ann’s <question> & more")
    choose = world.address("bookings:choose", "max")
    soon = next(link for link in read(world, "ann", choose).links if "start=" in link)
    for person, of, sent, kept in [
        ("ann", "accounts:profile", f"name=&timezone=UTC&bio={typed}", "bio"),
        ("sam", "mentors:create", f"headline={typed}&hourly_rate_points=-1", "headline"),
        ("ann", "bookings:choose:max", f"title={typed}&description={typed}", "title and description"),
        ("ann", "feedback:create:held", f"rating=9&comment={typed}", "comment"),
        ("ann", "tickets:create", f"title={typed}&description={typed}&tags=", "title and description"),
        ("ann", "tickets:edit:open", f"title={typed}&description={typed}&tags=", "title and description"),
        ("ann", "tickets:reopen:solved", f"reason={typed * 40}", "reason"),
        ("max", "tickets:resolve:taken", f"text={typed}&reply=9999", "text"),
    ]:
        route, _colon, name = of.rpartition(":")
        address = world.address(route, name) if name in world.named else world.address(of)
        response = world.ask(
            person, "POST", urljoin(choose, soon) if of.startswith("bookings:choose") else address, sent
        )
        assert response.status_code == 422, of
        count = response.content.decode().count("Ann’s &lt;question&gt; &amp; more")
        assert count >= len(kept.split(" and ")), of


# --- Addresses --------------------------------------------------------------------------------------------------------


def parameters(world):
    """(person, path, name) of every parameter that a page knows: by its forms, by its links, and those of lists."""
    found = {}
    for person, address in pages(world):
        path, _mark, query = address.partition("?")
        page = read(world, person, address)
        names = {"page", "next"} | {name for name, _value in parse_qsl(query)}
        for form in page.forms:
            if (form["method"] or "get").lower() == "get" and form["action"] in (None, "", path):
                names |= set(form["fields"])
        for link in page.links:
            parts = urlsplit(link)
            if parts.path in ("", path):
                names |= {name for name, _value in parse_qsl(parts.query, keep_blank_values=True)}
        found |= {(person, path, name): None for name in names}
    return list(found)


def test_no_parameter_of_any_page_takes_the_house_down(world, caplog):
    found = parameters(world)
    known = {(path, name) for _person, path, name in found}
    assert {(reverse("mentors:list"), "free_on"), (world.address("bookings:choose", "max"), "timezone")} <= known
    values = [f"{{name}}={value}" for value in VALUES.values() if len(value) < 30_000] + list(QUERIES.values())
    wrong = []
    with caplog.at_level("ERROR"):
        asked = [(*place, value) for place in found for value in values]
        for person, path, name, query in some(asked, amount(70, 150)):
            caplog.clear()
            response = world.ask(person, "GET", f"{path}?{query.replace('{name}', quote(name))}")
            if response.status_code >= 500 or errors(caplog):
                wrong.append(f"{path}?{query[:80]} {name} by {person}: {response.status_code} {caplog.messages}")
    assert not wrong, "\n".join(wrong)


# What open pages ask for by themselves, and what links from elsewhere bring along.
FRAGMENTS = """
    ann    tickets:similar       -      title
    ann    tickets:create        -      title
    ann    tickets:create        -      tag
    ann    tickets:conversation  taken  seen
    ann    tickets:conversation  taken  place
    max    tickets:resolve       taken  reply
    sam    knowledge:list        -      sort
"""


def test_no_parameter_of_any_fragment_takes_the_house_down(world, caplog):
    places = [line.split() for line in FRAGMENTS.strip().splitlines()]
    values = [value for value in VALUES.values() if len(value) < 30_000]
    for client in world.clients.values():
        client.defaults["HTTP_HX_REQUEST"] = "true"
    wrong = []
    with caplog.at_level("ERROR"):
        for (person, route, of, name), value in some([(place, value) for place in places for value in values], 60):
            caplog.clear()
            path = world.address(route, of.strip("-"))
            response = world.ask(person, "GET", f"{path}?{name}={value}")
            if response.status_code >= 500 or errors(caplog):
                wrong.append(f"{path}?{name}={value[:80]} by {person}: {response.status_code} {caplog.messages}")
    assert not wrong, "\n".join(wrong)


def test_no_id_in_an_address_takes_the_house_down(world, caplog):
    addresses = set()
    for person, address in pages(world):
        path = address.partition("?")[0]
        for number in re.findall(r"(?<=/)(?:\d+|nonsense)(?=/)", path):
            addresses.add((person, path.replace(f"/{number}/", "/{}/", 1)))
    values = [value for name, value in VALUES.items() if len(value) < 30_000 and value and value[-1] != "%"]
    wrong = []
    with caplog.at_level("ERROR"):
        for person, path, value in some([(*place, value) for place in addresses for value in values], amount(50, 100)):
            caplog.clear()
            response = world.ask(person, "GET", path.replace("{}", value))
            if response.status_code >= 500 or errors(caplog):
                wrong.append(f"{path} {value[:60]} by {person}: {response.status_code} {caplog.messages}")
    assert not wrong, "\n".join(wrong)


HEADERS = """
    Accept-Language Referer User-Agent X-Forwarded-For X-Forwarded-Host X-Requested-With Origin HX-Request
    HX-Current-URL HX-Target HX-Trigger HX-Prompt HX-History-Restore-Request If-Modified-Since If-None-Match Range
"""
COOKIES = "sessionid csrftoken timezone messages django_language"


def test_no_header_or_cookie_takes_the_house_down(world, caplog):
    values = [unquote_to_bytes(value).decode("latin-1") for value in VALUES.values() if len(value) < 8_000]
    values = [value for value in values if not set("\r\n\0") & set(value)]  # which a server refuses by itself
    cookies = [*values, '"aaaaaaaa\\000bbbbbbbb"', '"a\\012b\\073c"', "a" * 40 + "%00", '"\\377"']
    sent = [{f"HTTP_{name.upper().replace('-', '_')}": value} for name in HEADERS.split() for value in values]
    sent += [{"HTTP_COOKIE": f"{name}={value}"} for name in COOKIES.split() for value in cookies]
    sent += [{"HTTP_COOKIE": 'sessionid="aaaaaaaa\\000bbbbbbbb"'}, {"CONTENT_TYPE": "multipart/form-data; boundary="}]
    wrong = []
    with caplog.at_level("ERROR"):
        for number, headers in enumerate([*some(sent[:-2], amount(70, 150)), *sent[-2:]]):
            caplog.clear()
            cookie = {"HTTP_COOKIE": world.clients["ann"].cookies.output(header="", sep=";").strip()}
            address = [reverse("home"), reverse("mentors:list"), reverse("account_login")][number % 3]
            client = world.clients["visitor"]
            with transaction.atomic():
                response = client.generic("POST" if number % 4 == 3 else "GET", address, **{**cookie, **headers})
                transaction.set_rollback(True)
            client.cookies.clear()
            if response.status_code >= 500 or errors(caplog):
                wrong.append(f"{address} {str(headers)[:120]}: {response.status_code} {caplog.messages}")
    assert not wrong, "\n".join(wrong)


# --- Text that is allowed and looks like something else ---------------------------------------------------------------


def live(page):
    """The tags of `page` that would do what the texts of LEGAL want."""
    return [
        (tag, attributes)
        for tag, attributes in page.tags
        if "/evil" in str(attributes.get("hx-get"))
        or any(name.startswith("on") for name in attributes)
        or (tag == "script" and not attributes.get("src"))
    ]


def filled_in(world, text):
    """Write `text` wherever people may, by the forms; the id of a session that has gone through everything."""
    world.undoes = False
    typed = quote(text)
    for person in ("ann", "max"):
        world.ask(person, "POST", reverse("accounts:profile"), f"name=N{typed}&timezone=UTC&bio={typed}&skills={typed}")
    page = read(world, "max", reverse("mentors:edit"))
    fields = next(form["fields"] for form in page.forms if "headline" in form["fields"])
    fields |= {"headline": text, "bio": text, "languages": "English", "expertise": "python", "meeting_url": ""}
    fields |= {"confirms_automatically": "by_hand"}
    sent = "&".join(f"{name}={quote(value)}" for name, value in fields.items())
    assert world.ask("max", "POST", reverse("mentors:edit"), sent).status_code == 302
    world.ask("max", "POST", reverse("bookings:availability"), f"change=days_off&first={SOON}&note={typed}")
    choose = world.address("bookings:choose", "max")
    link = next(link for link in read(world, "ann", choose).links if "start=" in link)
    start = quote(dict(parse_qsl(urlsplit(link).query))["start"])
    ids = []
    for verb in ("cancel", "decline"):
        sent = f"title={typed}&description={typed}&starts_at={start}&duration_minutes=60&idempotency_key={verb}"
        ids.append(int(world.ask("ann", "POST", choose, sent).url.split("/")[2]))
        who = {"cancel": "ann", "decline": "max"}[verb]
        assert world.ask(who, "POST", reverse(f"bookings:{verb}", args=ids[-1:]), f"reason={typed}").status_code == 302
    for person in ("ann", "max"):  # both have written, so both are shown
        sent = f"rating=4&comment={typed}"
        assert world.ask(person, "POST", world.address("feedback:create", "held"), sent).status_code == 302
    note = f"points=1&note={typed}&form_key=00000000-0000-0000-0000-000000000001"
    assert world.ask("ada", "POST", world.address("admin:wallets_wallet_grant", "?ann"), note).status_code == 302
    world.undoes = True
    return ids


def solved_in_writing(world, text):
    """Write `text` wherever a ticket takes words, from the question to the review; (person, address) of what shows."""
    world.undoes = False
    typed = quote(text)

    def post(person, route, body="", args=()):
        response = world.ask(person, "POST", reverse(f"tickets:{route}", args=args), body)
        assert response.status_code in (204, 302), f"{route} by {person}: {response.status_code}"
        return response.headers.get("Location")

    question = f"title={typed}&description={typed}&tags=django&is_public=on"
    ticket = post("ann", "create", f"{question}&idempotency_key=written")
    pk = [int(ticket.split("/")[2])]
    name = text.replace('"', "%22")  # as browsers send it
    files = {"title": text, "description": text, "tags": "django", "is_public": "on"}
    files["files"] = SimpleUploadedFile("x", b"words", content_type="text/plain")
    files["files"]._name = f"{name}.txt"
    assert world.clients["ann"].post(reverse("tickets:edit", args=pk), files).status_code == 302
    queue = read(world, "max", reverse("tickets:queue") + "?tab=all")
    assert ticket in queue.links
    post("max", "accept", args=pk)
    post("max", "release", f"reason={typed}", pk)
    post("max", "accept", args=pk)
    reply = post("max", "reply", f"text={typed}", pk)
    post("max", "useful", "is_useful=true", [*pk, int(reply.rpartition("-")[2])])
    post("ann", "reply", f"text={typed}", pk)
    post("ada", "note", f"text={typed}", pk)
    post("max", "resolve", f"text={typed}", pk)
    post("ann", "reopen", f"reason={typed}", pk)
    post("max", "resolve", f"text={typed}", pk)
    post("ann", "close", args=pk)
    sent = f"rating=4&comment={typed}"
    assert world.ask("ann", "POST", reverse("feedback:create_for_ticket", args=pk), sent).status_code == 302
    post("ann", "create", f"{question}&idempotency_key=waiting")
    post("ann", "draft", f"title={typed}&description={typed}&tags={typed}")
    world.undoes = True
    article = Ticket.objects.get(pk=pk[0]).get_article_url()
    found = f"{reverse('knowledge:list')}?q={quote(text[:500])}&tag={quote(text[:30])}"
    return [
        *[(person, ticket) for person in ("ann", "max", "ada")],
        *[(person, page) for person in ("visitor", "sam") for page in (article, found)],
        ("max", reverse("tickets:queue") + "?tab=mine"),
        ("max", reverse("tickets:queue") + "?tab=all"),
        ("ann", reverse("tickets:list") + "?show=all"),
        ("ada", reverse("admin:tickets_ticket_change", args=pk)),
    ]


@pytest.mark.parametrize("name", LEGAL if THOROUGH else ["everything at once"])
def test_text_that_looks_alive_is_only_shown(world, name):
    text = LEGAL[name]
    cancelled, declined = filled_in(world, text)
    written = solved_in_writing(world, text)
    shown = 0
    more = [
        (person, reverse("bookings:detail", args=[pk])) for person in ("ann", "max") for pk in (cancelled, declined)
    ]
    more += [("ann", reverse("bookings:list") + "?show=past"), ("sam", world.address("mentors:detail", "max"))]
    more += [("sam", reverse("mentors:list")), ("visitor", reverse("home")), *written]
    for person, address in [*pages(world), *more]:
        response = world.ask(person, "GET", address)
        assert response.status_code in (200, 302), address
        if not response.headers["Content-Type"].startswith("text/html"):
            continue
        html = response.content_as_read.decode()
        assert not live(Reader(html)), address
        assert "22962963" not in html, f"a template was run on {address}"
        shown += escape(text) in html
    assert shown >= 15
    lines = world.ask("ann", "GET", reverse("wallets:statement_csv")).content_as_read.decode("utf-8-sig")
    cells = [cell for row in csv.reader(io.StringIO(lines)) for cell in row]
    assert any(text in cell for cell in cells)
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"CONTENT_TYPE": f"{FORM}; charset=utf-7"}, 400),
        ({"CONTENT_TYPE": "multipart/form-data; boundary=x; charset=utf-16"}, 400),
        ({"CONTENT_TYPE": f"{FORM}; charset=UTF-8"}, 422),
        ({"CONTENT_TYPE": "multipart/form-data; boundary=x", "CONTENT_LENGTH": str(10**9)}, 413),
        ({"CONTENT_TYPE": FORM, "CONTENT_LENGTH": "9" * 400}, 413),
        ({"CONTENT_TYPE": FORM, "CONTENT_LENGTH": "-1"}, 413),
    ],
)
def test_a_body_that_no_form_sends_is_refused_before_it_is_read(db, headers, status):
    client = Client(enforce_csrf_checks=True, raise_request_exception=False)
    client.get(reverse("account_login"))
    headers = {**headers, "HTTP_X_CSRFTOKEN": client.cookies["csrftoken"].value}
    response = client.generic("POST", reverse("account_login"), "login=a", **headers)
    assert response.status_code == status
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["/", "/nowhere", "/admin/", "/static/css/tokens.css", "/static/nowhere.css"])
def test_every_answer_carries_the_policy(client, db, path):
    for host in ("testserver", "evil.example"):
        response = client.get(path, headers={"host": host})
        assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert response.status_code == 400 or host == "testserver" or path.startswith("/static/")


@pytest.mark.parametrize("name", ["header", "other line ends", "line breaks", "script"])
def test_a_title_cannot_write_the_head_of_a_mail(world, name):
    choose = world.address("bookings:choose", "max")
    link = next(link for link in read(world, "ann", choose).links if "start=" in link)
    start = quote(dict(parse_qsl(urlsplit(link).query))["start"])
    world.undoes = False
    sent = f"title={VALUES[name]}&starts_at={start}&duration_minutes=60&idempotency_key=k"
    assert world.ask("ann", "POST", choose, sent).status_code == 302
    drain()
    assert mail.outbox
    for message in mail.outbox:
        head, _blank, _body = message.message().as_string().partition("\n\n")
        assert "\nBcc" not in head
        assert len(message.recipients()) == 1
        assert len(message.subject.splitlines()) == 1
