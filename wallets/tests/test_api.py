"""Balance and statement for programs."""

import datetime as dt

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.tests.group_factories import make_group
from bookings.tests.factories import AppointmentFactory
from tests.programs import ask, token_of, told
from wallets.actions import (
    capture_hold,
    contribute_points,
    grant_points,
    hold_points,
    open_escrow,
    release_hold,
    reverse_transaction,
    wallet_of,
)

pytestmark = pytest.mark.django_db

WALLET, TRANSACTIONS = "/api/wallet/", "/api/wallet/transactions"


def hold(payer, points=30, about=None):
    escrow = open_escrow()
    hold_points(wallet_of(payer), escrow, points=points, by=payer, subject=about)
    return escrow


def rows(person, address=TRANSACTIONS):
    response = ask("GET", address, by=person)
    assert response.status_code == 200, response.content
    return response.json()["items"]


def test_the_balance_is_what_can_be_spent_and_what_is_held(ann):
    assert told(ask("GET", WALLET, by=ann)) == (200, {"balance_points": 0, "held_points": 0})
    grant_points(ann, points=100)
    hold(ann, 30)
    assert told(ask("GET", WALLET, by=ann)) == (200, {"balance_points": 70, "held_points": 30})


def test_a_statement_says_everything_of_a_row(ann):
    session = AppointmentFactory(student=ann)
    grant_points(ann, points=100, note="Welcome")
    hold(ann, 30, about=session)
    held, granted = rows(ann)
    assert held.pop("id") > granted.pop("id")
    for row in (held, granted):
        created_at = row.pop("created_at")
        assert created_at.endswith("Z")
        assert dt.datetime.fromisoformat(created_at).utcoffset() == dt.timedelta()
    assert held == {
        "reason": "hold",
        "points": -30,
        "balance_after": 70,
        "appointment_id": session.pk,
        "project_group_id": None,
        "note": "",
    }
    assert granted == {
        "reason": "grant",
        "points": 100,
        "balance_after": 100,
        "appointment_id": None,
        "project_group_id": None,
        "note": "Welcome",
    }


def test_of_a_late_cancellation_the_payer_reads_release_and_the_mentor_capture(ann, max):
    grant_points(ann, points=100)
    capture_hold(hold(ann, 30), to=wallet_of(max), by=None, subject=None, return_points=10)
    assert [(row["reason"], row["points"], row["balance_after"]) for row in rows(ann)] == [
        ("release", 10, 80),
        ("hold", -30, 70),
        ("grant", 100, 100),
    ]
    assert [(row["reason"], row["points"], row["balance_after"]) for row in rows(max)] == [("capture", 20, 20)]


def test_a_statement_names_the_group_of_a_contribution(ann):
    grant_points(ann, points=100)
    group = make_group(ann)
    contribute_points(group, by=ann, points=40)
    newest = rows(ann)[0]
    assert (newest["reason"], newest["points"], newest["project_group_id"]) == ("contribution", -40, group.pk)


def test_a_reversal_stands_beside_what_it_reverses(ann, ada):
    given = grant_points(ann, points=100)
    reverse_transaction(given, by=ada, note="Twice by mistake")
    assert [(row["reason"], row["points"], row["note"]) for row in rows(ann)] == [
        ("reversal", -100, "Twice by mistake"),
        ("grant", 100, ""),
    ]


def test_nobody_sees_the_points_of_others(ann, sam, ada):
    grant_points(ann, points=100)
    for other in (sam, ada):
        assert told(ask("GET", WALLET, by=other)) == (200, {"balance_points": 0, "held_points": 0})
        assert told(ask("GET", TRANSACTIONS, by=other)) == (200, {"items": [], "count": 0})
    for address in (WALLET, TRANSACTIONS):
        assert told(ask("GET", address)) == (401, "not_signed_in")


def test_a_statement_has_pages(ann):
    for number in range(5):
        grant_points(ann, points=number + 1)
    page = ask("GET", f"{TRANSACTIONS}?page=2&page_size=2", by=ann).json()
    assert (page["count"], [row["points"] for row in page["items"]]) == (5, [3, 2])
    assert [row["balance_after"] for row in page["items"]] == [6, 3]
    assert told(ask("GET", f"{TRANSACTIONS}?page=9", by=ann)) == (200, {"items": [], "count": 5})


@pytest.mark.parametrize("wish", ["page=0", "page_size=101", "page=x", "user_id=1", "ordering=id"])
def test_a_statement_takes_no_other_wishes(ann, wish):
    assert told(ask("GET", f"{TRANSACTIONS}?{wish}", by=ann)) == (422, "invalid_input")


def test_a_wallet_is_moved_by_what_happens_only(ann):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for address in (WALLET, TRANSACTIONS):
            assert told(ask(method, address, {"points": 5}, by=ann)) == (405, "method_not_allowed")


def test_a_long_statement_costs_as_many_queries_as_a_short_one(ann):
    grant_points(ann, points=1000)
    token = token_of(ann)
    counts = []
    for number in (1, 2):
        for _ in range(number):
            release_hold(hold(ann, 5, about=AppointmentFactory()), by=ann, subject=make_group(ann))
        with CaptureQueriesContext(connection) as queries:
            assert ask("GET", TRANSACTIONS, token=token).status_code == 200
        counts.append(len(queries))
    assert counts[0] == counts[1]
    assert len(rows(ann)) == 7
