import csv
import io

import pytest
import time_machine
from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.template import Context, Template
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.tests.factories import UserFactory
from wallets.actions import (
    adjust_points,
    capture_hold,
    grant_points,
    hold_points,
    open_escrow,
    release_hold,
    reverse_transaction,
    transfer_points,
    wallet_of,
)
from wallets.models import Transaction, Wallet
from wallets.statement import defused

STATEMENT, CSV = reverse("wallets:statement"), reverse("wallets:statement_csv")


@pytest.fixture
def as_ann(client, ann):
    client.force_login(ann)
    return client


def pay(payer, receiver, about, back=0, points=30):
    """What a session does to points. `about` stands in for it: bookings are above this app, so anything with a page."""
    escrow = open_escrow()
    hold_points(wallet_of(payer), escrow, points=points, by=payer, subject=about)
    return capture_hold(escrow, to=wallet_of(receiver), by=None, subject=about, return_points=back)


def csv_rows(response):
    text = b"".join(response.streaming_content).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


# --- Who may look -----------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.parametrize("url", [STATEMENT, CSV])
def test_a_visitor_is_sent_to_sign_in(client, url):
    response = client.get(url)
    assert response.status_code == 302
    assert reverse("account_login") in response.url


@pytest.mark.parametrize("url", [STATEMENT, CSV])
def test_nobody_sees_the_points_of_others(client, ann, sam, ada, url):
    grant_points(ann, points=7654, note="For Ann alone")
    for other in (sam, ada):
        client.force_login(other)
        response = client.get(url)
        assert response.status_code == 200
        content = b"".join(response.streaming_content) if response.streaming else response.content
        assert b"7654" not in content.replace(b",", b"")
        assert b"For Ann alone" not in content


@pytest.mark.parametrize("url", [STATEMENT, CSV])
def test_a_statement_is_only_read(as_ann, url):
    assert as_ann.post(url).status_code == 405


@pytest.mark.parametrize("url", [STATEMENT, CSV])
def test_looking_makes_no_wallet(as_ann, url):
    response = as_ann.get(url)
    assert response.status_code == 200
    if response.streaming:
        assert csv_rows(response) == []
    assert not Wallet.objects.exists()


# --- The page ---------------------------------------------------------------------------------------------------------


def test_an_empty_statement_says_what_will_be_there(as_ann):
    assert "No points have moved yet" in as_ann.get(STATEMENT).content.decode()


def test_statement_shows_each_row_with_the_balance_after_it(as_ann, ann, mentor):
    grant_points(ann, points=100, note="Welcome")
    pay(ann, mentor.user, mentor, back=16, points=31)
    page = as_ann.get(STATEMENT).context["page"]
    assert [(row.what, row.change_points, row.running_points) for row in page] == [
        ("returned", 16, 85),
        ("held for a session", -31, 69),
        ("points granted", 100, 100),
    ]


def test_statement_of_a_mentor_shows_what_a_session_paid(client, ann, mentor):
    grant_points(ann, points=100)
    pay(ann, mentor.user, mentor)
    client.force_login(mentor.user)
    page = client.get(STATEMENT).context["page"]
    assert [(row.what, row.change_points, row.running_points) for row in page] == [("session paid", 30, 30)]


def test_statement_links_to_what_a_row_is_about(as_ann, ann, mentor):
    grant_points(ann, points=100)
    pay(ann, mentor.user, mentor)
    html = as_ann.get(STATEMENT).content.decode()
    assert f'<a href="{mentor.get_absolute_url()}">{mentor}</a>' in html


def test_statement_names_what_a_reversal_undid(as_ann, ann, ada):
    reverse_transaction(grant_points(ann, points=5), by=ada, note="Meant for Anna")
    html = as_ann.get(STATEMENT).content.decode()
    assert "Reversal: points granted" in html
    assert "Meant for Anna" in html


def test_statement_shows_what_is_held_now(as_ann, ann, sam):
    grant_points(ann, points=100)
    escrows = [open_escrow() for _number in range(3)]
    for escrow in escrows:
        hold_points(wallet_of(ann), escrow, points=10, by=ann, subject=None)
    hold_points(wallet_of(ann), escrows[0], points=5, by=ann, subject=None)
    release_hold(escrows[1], by=None, subject=None)
    grant_points(sam, points=50)
    hold_points(wallet_of(sam), open_escrow(), points=50, by=sam, subject=None)
    context = as_ann.get(STATEMENT).context
    assert (context["balance_points"], context["held_points"]) == (75, 25)


def test_statement_has_pages_of_twenty_and_the_balance_runs_on(as_ann, ann):
    for _number in range(25):
        grant_points(ann, points=2)
    second = as_ann.get(STATEMENT, {"page": 2}).context["page"]
    assert [row.running_points for row in second] == [10, 8, 6, 4, 2]
    assert as_ann.get(STATEMENT, {"page": "no number"}).context["page"].number == 1
    assert as_ann.get(STATEMENT, {"page": 99}).context["page"].number == 2


def test_text_of_others_is_shown_as_text(as_ann, ann, ada):
    adjust_points(ann, points=5, by=ada, note="<script>alert(1)</script>")
    html = as_ann.get(STATEMENT).content.decode()
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)" in html


@pytest.mark.parametrize("url", [STATEMENT, CSV])
def test_three_rows_take_as_many_queries_as_one(as_ann, ann, mentor, url):
    counts = []
    for number in range(3):
        grant_points(ann, points=100, by=mentor.user)
        pay(ann, mentor.user, UserFactory())
        if number == 1:
            continue
        with CaptureQueriesContext(connection) as queries:
            response = as_ann.get(url)
            if response.streaming:
                assert csv_rows(response)
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- The file ---------------------------------------------------------------------------------------------------------


@time_machine.travel("2026-11-21T19:05:30Z", tick=False)
def test_csv_has_every_row_with_iso_times_in_the_persons_zone(as_ann, ann, mentor):
    grant_points(ann, points=100, note="Écriture")
    pay(ann, mentor.user, mentor)
    response = as_ann.get(CSV)
    assert response.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert response.headers["Content-Disposition"] == 'attachment; filename="statement-2026-11-21.csv"'
    assert csv_rows(response) == [
        {
            "time": "2026-11-21T20:05:30+01:00",
            "what": "held for a session",
            "about": str(mentor),
            "note": "",
            "points in": "",
            "points out": "30",
            "balance": "70",
        },
        {
            "time": "2026-11-21T20:05:30+01:00",
            "what": "points granted",
            "about": "",
            "note": "Écriture",
            "points in": "100",
            "points out": "",
            "balance": "100",
        },
    ]


def test_csv_starts_with_the_mark_by_which_excel_knows_utf8(as_ann):
    assert b"".join(as_ann.get(CSV).streaming_content).startswith(b"\xef\xbb\xbf")


def test_csv_is_read_in_pieces(as_ann, ann, sam, monkeypatch):
    monkeypatch.setattr("wallets.statement.CHUNK_ROWS", 5)
    grant_points(ann, points=600)
    ends = wallet_of(ann), wallet_of(sam)
    for _number in range(12):
        transfer_points(*ends, points=1, by=ann, reason=Transaction.Reason.TRANSFER, note="")
    rows = csv_rows(as_ann.get(CSV))
    assert len(rows) == 13
    assert [row["balance"] for row in rows] == [str(balance) for balance in range(588, 601)]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_csv_cells_carry_no_formula(as_ann, ann, mentor, ada, start):
    formula = f"{start}HYPERLINK(1)"
    adjust_points(ann, points=50, by=ada, note=formula)
    pay(ann, mentor.user, UserFactory(name=formula))
    rows = csv_rows(as_ann.get(CSV))
    assert rows[0]["about"] == f"'{formula}"
    assert rows[1]["note"] == f"'{formula}"


def test_what_is_no_formula_stays_as_it_was():
    assert [defused(text) for text in ("", "a=b", "Ann - Max", 5)] == ["", "a=b", "Ann - Max", "5"]


# --- On other pages ---------------------------------------------------------------------------------------------------


def shown(template, rf, user):
    request = rf.get("/")
    request.user = user
    return Template("{% load wallets %}" + template).render(Context({"request": request, "user": user}))


def test_balance_costs_one_query_however_often_a_page_asks(ann, rf, django_assert_num_queries):
    grant_points(ann, points=42)
    with django_assert_num_queries(1):
        assert shown("{% balance user %} {% balance user %}", rf, ann) == "42 42"


def test_balance_of_somebody_without_a_wallet_is_zero(ann, rf, django_assert_num_queries):
    with django_assert_num_queries(1):
        assert shown("{% balance user %}{% balance user %}", rf, ann) == "00"


@pytest.mark.django_db
def test_balance_of_a_visitor_is_zero_and_costs_nothing(rf, django_assert_num_queries):
    with django_assert_num_queries(0):
        assert shown("{% balance user %}", rf, AnonymousUser()) == "0"


def test_dashboard_wallet_shows_balance_held_points_and_last_rows(ann, rf, mentor):
    for _number in range(4):
        grant_points(ann, points=50)
    hold_points(wallet_of(ann), open_escrow(), points=30, by=ann, subject=mentor)
    html = shown("{% dashboard_wallet %}", rf, ann)
    assert "170" in html
    assert "30" in html
    assert html.count("Points granted") == 2
    assert str(mentor) in html
    assert STATEMENT in html


def test_dashboard_wallet_takes_as_many_queries_for_three_rows_as_for_one(ann, rf, mentor):
    counts = []
    for _number in range(3):
        grant_points(ann, points=100)
        pay(ann, mentor.user, UserFactory())
        with CaptureQueriesContext(connection) as queries:
            shown("{% dashboard_wallet %}", rf, ann)
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2]
