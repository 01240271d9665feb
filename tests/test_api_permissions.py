"""Who gets what from the JSON API: every operation, asked by everybody, held against one table.

As for the pages (`test_permissions`): an operation without a row fails, a row without an operation fails, and a cell
that answers otherwise fails. Ann studies with Max; Sam studies and Otto mentors, and neither has anything to do with
the two; Eve is staff without any permission, Ada is superuser. What is sent is well formed, so that nobody is refused
for the form of it. Whoever was deactivated has no column: they are answered like a token that is none.
"""

import datetime as dt

import pytest
from django.utils import timezone

from accounts.actions import start_session
from accounts.tests.factories import PASSWORD
from bookings.models import MoveProposal
from tests.api_world import PEOPLE, ApiWorld, address, body_of, description, example_of, operations, quiet
from tests.programs import personal_token
from tests.test_permissions import MISSING, rows

pytestmark = pytest.mark.django_db

# Operations that answer without a token at all.
OPEN = {"accounts_signup", "accounts_signin", "accounts_refresh", "accounts_signout"}

# `of`: what stands in the address, by its name in `World.named`, or `-`.
TABLE = """
operation                              of             visitor ann max sam otto eve ada
accounts_signup                        -              201     201 201 201 201 201 201
accounts_signin                        -              200     200 200 200 200 200 200
accounts_refresh                       -              200     200 200 200 200 200 200
accounts_signout                       -              204     204 204 204 204 204 204
accounts_me                            -              401     200 200 200 200 200 200
accounts_change_me                     -              401     200 200 200 200 200 200
mentors_list_mentors                   -              401     200 200 200 200 200 200
mentors_create_mentor                  -              401     201 409 201 409 201 201
mentors_read_mentor                    max            401     200 200 200 200 200 200
mentors_read_mentor                    nora           401     404 404 404 404 200 200
mentors_change_mentor                  max            401     403 200 403 403 403 200
mentors_change_mentor                  nora           401     404 404 404 404 403 200
mentors_change_status                  max            401     403 200 403 403 403 200
mentors_change_status                  nora           401     404 404 404 404 403 200
mentors_read_stats                     max            401     200 200 200 200 200 200
mentors_read_stats                     nora           401     404 404 404 404 200 200
mentors_list_expertise                 -              401     404 200 404 200 404 404
mentors_add_to_expertise               -              401     404 201 404 201 404 404
mentors_take_from_expertise            word           401     404 409 404 204 404 404
bookings_get_availability              max            401     403 200 403 403 200 200
bookings_get_availability              nora           401     404 404 404 404 200 200
bookings_put_availability              max            401     403 200 403 403 403 200
bookings_put_availability              nora           401     404 404 404 404 403 200
bookings_get_schedule                  max            401     200 200 200 200 200 200
bookings_get_schedule                  nora           401     404 404 404 404 200 200
bookings_list_places                   max            401     200 200 200 200 200 200
bookings_join_waitlist                 max            401     409 409 409 409 409 409
bookings_join_waitlist                 nora           401     404 404 404 404 409 409
bookings_leave_waitlist                max            401     204 204 204 204 204 204
bookings_leave_waitlist                nora           401     404 404 404 404 204 204
bookings_list_available_slots          max            401     200 200 200 200 200 200
bookings_list_available_slots          nora           401     404 404 404 404 200 200
bookings_match                         -              401     200 200 200 200 200 200
bookings_book_session                  -              401     201 409 201 402 402 402
bookings_list_appointments             -              401     200 200 200 200 200 200
bookings_list_of_student               ann            401     200 404 404 404 200 200
bookings_list_of_mentor                max            401     403 200 403 403 200 200
bookings_list_of_mentor                nora           401     404 404 404 404 200 200
bookings_read_appointment              asked          401     200 200 404 404 200 200
bookings_confirm                       asked          401     403 200 404 404 403 403
bookings_decline                       asked          401     403 200 404 404 403 403
bookings_cancel                        asked          401     200 200 404 404 403 200
bookings_complete                      held           401     403 409 404 404 403 403
bookings_complete                      running        401     403 200 404 404 403 403
bookings_report_no_show                running        401     403 200 404 404 403 403
bookings_dispute                       held           401     200 403 404 404 403 403
bookings_reschedule                    asked          401     409 200 404 404 403 403
bookings_accept_reschedule             asked          401     200 403 404 404 403 403
bookings_decline_reschedule            asked          401     200 200 404 404 403 403
bookings_ask_for_chat                  -              401     409 409 201 409 402 402
wallets_balance                        -              401     200 200 200 200 200 200
wallets_transactions                   -              401     200 200 200 200 200 200
wallets_list_groups                    -              401     200 200 200 200 200 200
wallets_found_group                    -              401     201 201 201 201 201 201
wallets_get_group                      team           401     200 200 404 404 200 200
wallets_change_group                   team           401     200 403 404 404 403 403
wallets_end_group                      team           401     204 403 404 404 403 204
wallets_hand_over                      team           401     200 403 404 404 403 403
wallets_list_invitations               team           401     200 403 404 404 403 403
wallets_invite                         team           401     201 403 404 404 403 403
wallets_revoke                         team-way       401     204 403 404 404 403 403
wallets_join                           -              401     409 409 200 200 200 200
wallets_end_membership                 team-max       401     204 204 404 404 403 403
wallets_list_contributors              team           401     200 200 404 404 404 404
wallets_contribute                     team           401     201 402 404 404 404 404
wallets_give_back                      team           401     404 403 404 404 404 404
wallets_list_group_transactions        team           401     200 200 404 404 404 404
mentors_list_tags                      -              401     200 200 200 200 200 200
mentors_create_tag                     -              401     201 201 201 201 201 201
tickets_list_tickets                   -              401     200 200 200 200 200 200
tickets_ask_question                   -              401     201 201 201 201 201 201
tickets_get_ticket                     open           401     200 200 404 200 200 200
tickets_get_ticket                     taken          401     200 200 404 200 200 200
tickets_get_ticket                     solved         401     200 200 404 404 200 200
tickets_change_question                open           401     200 403 404 403 403 403
tickets_change_question                taken          401     409 403 404 403 403 403
tickets_delete_question                open           401     204 403 404 403 403 403
tickets_accept                         open           401     403 200 404 200 403 403
tickets_release                        taken          401     403 200 404 403 403 403
tickets_resolve                        taken          401     403 200 404 403 403 403
tickets_reopen                         solved         401     200 403 404 404 403 403
tickets_close                          solved         401     200 403 404 404 403 403
tickets_list_replies                   open           401     200 200 404 200 200 200
tickets_list_replies                   taken          401     200 200 404 200 200 200
tickets_write_reply                    open           401     201 403 404 403 201 201
tickets_write_reply                    taken          401     201 201 404 403 201 201
tickets_list_matches                   open           401     200 403 404 403 200 200
tickets_list_articles                  -              200     200 200 200 200 200 200
tickets_list_bookmarks                 -              401     200 200 200 200 200 200
tickets_get_article                    article        200     200 200 200 200 200 200
tickets_get_article                    solved         404     404 404 404 404 404 404
tickets_upvote                         article        401     403 403 204 204 204 204
tickets_remove_upvote                  article        401     204 204 204 204 204 204
tickets_bookmark                       article        401     403 403 204 204 204 204
tickets_remove_bookmark                article        401     204 204 204 204 204 204
notifications_list_notifications       -              401     200 200 200 200 200 200
notifications_read                     notice         401     200 404 404 404 404 404
notifications_read_all                 -              401     200 200 200 200 200 200
feedback_list_reviews_of_appointment   held           401     200 200 404 404 200 200
feedback_review_appointment            held           401     201 201 404 404 403 403
feedback_list_reviews_of_ticket        article        401     200 200 404 404 200 200
feedback_review_of_ticket              article        401     201 403 404 404 403 403
feedback_change_review                 review         401     200 404 404 404 404 404
feedback_list_reviews_of_mentor        max            401     200 200 200 200 200 200
feedback_list_reviews_of_mentor        nora           401     404 404 404 404 200 200
"""


def body_for(world, name, operation):
    """Something well formed to send: what `SENT` says, or the example of the description."""
    if name in SENT:
        return SENT[name](world)
    schema = body_of(world.described, operation)
    return example_of(schema) if schema else None


DAY = dt.timedelta(days=1)


def in_days(number):
    return (timezone.now() + number * DAY).date().isoformat()


def max_id(world):
    return world.named["max"][0][0]


def proposed_times():
    proposal = MoveProposal.objects.get()
    return {"start_time": proposal.starts_at.isoformat(), "end_time": proposal.ends_at.isoformat()}


# By operation: what is sent where the example of the description names rows or days that are not there.
SENT = {
    "accounts_signin": lambda world: {"email": "ann@example.org", "password": PASSWORD},
    "accounts_refresh": lambda world: {"refresh_token": world.refresh_token},
    "accounts_signout": lambda world: {"refresh_token": world.refresh_token},
    "accounts_signup": lambda world: {"email": "new@example.com", "password": PASSWORD, "name": "New"},
    "bookings_put_availability": lambda world: {"timezone": "UTC", "weekly": [], "overrides": []},
    "bookings_join_waitlist": lambda world: {"date": in_days(7), "duration_minutes": 60},
    "bookings_match": lambda world: {"expertise": [], "duration_minutes": 60, "from": in_days(1), "to": in_days(7)},
    "bookings_book_session": lambda world: {"mentor_id": max_id(world), "title": "Loops", **world.free_time},
    "bookings_reschedule": lambda world: world.free_time,
    "bookings_accept_reschedule": lambda world: proposed_times(),
    "bookings_ask_for_chat": lambda world: {"mentor_id": world.people["otto"].mentor_profile.pk, "topic": "Loops"},
    "wallets_hand_over": lambda world: {"user_id": world.people["max"].pk},
    "wallets_give_back": lambda world: {"points": 1, "user_id": world.people["max"].pk},
    "wallets_join": lambda world: {"token": world.named["way"][0][0]},
    "notifications_read_all": lambda world: None,
}
QUERIES = {
    "bookings_list_available_slots": lambda: f"?from={in_days(1)}&to={in_days(9)}",
    "bookings_get_schedule": lambda: f"?from={in_days(1)}&to={in_days(9)}",
    "bookings_leave_waitlist": lambda: f"?date={in_days(4)}",
}


@pytest.fixture
def world(db, monkeypatch):
    quiet(monkeypatch)
    world = ApiWorld()
    world.described = description()
    world.refresh_token = start_session(world.people["ann"], now=timezone.now()).refresh_token
    slots = f"/api/appointments/mentor/{max_id(world)}/available-slots?from={in_days(6)}&to={in_days(7)}"
    slot = world.call("ann", "GET", slots).json()["slots"][0]
    world.free_time = {"start_time": slot["start_time"], "end_time": slot["end_time"]}
    return world


def by_name(described):
    return {operation["operationId"]: (method, path, operation) for method, path, operation in operations(described)}


def address_of(world, operation, path, of, *, missing=False):
    """The address with the ids of the row called `of` in it, or with the first of them one that does not exist."""
    args = list(world.named[of][0])
    if missing:
        args[0] = MISSING
    for value in args:
        begin, _brace, rest = path.partition("{")
        path = f"{begin}{value}{rest.partition('}')[2]}"
    assert "{" not in path, f"{path} wants more names"
    return path + (QUERIES[operation]() if operation in QUERIES else "")


def asked(world, row, person, **how):
    method, path, operation = by_name(world.described)[row["operation"]]
    body = body_for(world, row["operation"], operation)
    return world.call(person, method, address_of(world, row["operation"], path, row["of"], **how), body)


def test_every_operation_has_a_policy_and_every_policy_an_operation():
    known = set(by_name(description()))
    ruled = {row["operation"] for row in rows(TABLE)}
    assert (known - ruled, ruled - known) == (set(), set())


def test_every_operation_answers_everybody_as_the_table_says(world):
    wrong = []
    for row in rows(TABLE):
        for person in ["visitor", *PEOPLE]:
            got = str(asked(world, row, person).status_code)
            if got != row[person]:
                wrong.append(f"{row['operation']} {row['of']} by {person}: {got}, not {row[person]}")
    assert not wrong, "\n".join(wrong)


def test_a_row_of_somebody_else_answers_like_a_missing_one(world):
    wrong = []
    for row in rows(TABLE):
        for person in PEOPLE:
            if row["of"] and row[person] == "404":
                there, missing = [asked(world, row, person, missing=missing) for missing in (False, True)]
                if (there.status_code, there.content) != (missing.status_code, missing.content):
                    wrong.append(f"{row['operation']} {row['of']} by {person}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("no_id", ["0", "9" * 25])
def test_an_id_that_no_row_can_have_is_one_of_no_row(world, no_id):
    """A program that follows an old or broken link is told the same everywhere."""
    found, wrong = 0, []
    for name, (method, path, operation) in by_name(world.described).items():
        ids = [
            parameter["name"]
            for parameter in operation.get("parameters", [])
            if parameter["in"] == "path" and parameter["schema"]["type"] == "integer"
        ]
        for broken in ids:
            found += 1
            here = address(path.replace("{" + broken + "}", no_id), world.ids)
            here += QUERIES[name]() if name in QUERIES else ""
            for person in ("ann", "max", "ada"):
                status = world.call(person, method, here, body_for(world, name, operation)).status_code
                if status not in (403, 404):
                    wrong.append(f"{method} {here} by {person}: {status}")
    assert found > 50, "the ids in addresses are not found any more"
    assert not wrong, "\n".join(wrong)


def test_whoever_was_deactivated_is_nobody(world):
    wrong = []
    for row in rows(TABLE):
        response = asked(world, row, "closed")
        if name_is_open(row) or response.status_code == 401:
            continue
        wrong.append(f"{row['operation']}: {response.status_code}")
    assert not wrong, "\n".join(wrong)


def name_is_open(row):
    return row["operation"] in OPEN


def test_only_those_of_the_list_need_no_token():
    without = {name for name, (_m, _p, operation) in by_name(description()).items() if not operation.get("security")}
    assert without == OPEN


# What is no GET and only reads all the same.
READS = {"bookings_match"}


def test_a_token_that_reads_changes_nothing(world):
    reading = personal_token(world.people["ann"], scope="read")
    wrong = []
    for row in rows(TABLE):
        method, path, operation = by_name(world.described)[row["operation"]]
        if name_is_open(row):
            continue
        body = body_for(world, row["operation"], operation)
        response = world.call("ann", method, address_of(world, row["operation"], path, row["of"]), body, token=reading)
        only_reads = method == "GET" or row["operation"] in READS
        expected = row["ann"] if only_reads else "403"
        if str(response.status_code) != expected or (not only_reads and response.json()["code"] != "read_only_token"):
            wrong.append(f"{row['operation']} {row['of']}: {response.status_code}")
    assert not wrong, "\n".join(wrong)


def test_the_description_says_what_a_token_that_reads_may_not_do(world):
    for name, (method, _path, operation) in by_name(world.described).items():
        refused = operation["responses"].get("403", {}).get("content", {}).get("application/json", {})
        may_change = method != "GET" and name not in READS | OPEN
        assert ("read_only_token" in refused.get("examples", {})) == may_change, name


def test_a_row_that_everybody_sees_is_noticed(world, monkeypatch):
    monkeypatch.setattr("bookings.models.AppointmentQuerySet.visible_to", lambda rows, user: rows)
    [row] = [row for row in rows(TABLE) if row["operation"] == "bookings_read_appointment"]
    assert (row["sam"], asked(world, row, "sam").status_code) == ("404", 200)


def test_an_operation_without_a_policy_is_noticed(monkeypatch):
    shortened = "\n".join(line for line in TABLE.splitlines() if not line.startswith("bookings_cancel "))
    assert set(by_name(description())) - {row["operation"] for row in rows(shortened)} == {"bookings_cancel"}
