import pytest
from django.contrib.auth.models import Permission
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from accounts.tests.factories import UserFactory
from wallets.actions import grant_points, hold_points, open_escrow, reverse_transaction, wallet_of
from wallets.models import Transaction, Transfer, Wallet

MODELS = ["wallet", "transaction", "transfer"]
GRANT = reverse("admin:wallets_wallet_grant")
KEY = "6f1e2f6e-0f0b-4a49-9b7e-0c8f4f6f2b11"


def url_of(model, page, *arguments):
    return reverse(f"admin:wallets_{model}_{page}", args=arguments)


@pytest.fixture
def as_ada(client, ada, settings):
    settings.STAFF_NEED_SECOND_FACTOR = False
    client.force_login(ada)
    return client


@pytest.fixture
def clerk(client, db, settings):
    """A member of staff who may look at the ledger, and is signed in."""
    settings.STAFF_NEED_SECOND_FACTOR = False
    user = UserFactory(is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="wallets", codename__startswith="view"))
    client.force_login(user)
    return user


@pytest.fixture
def granted(ann):
    return grant_points(ann, points=100, note="Welcome")


def rows_of(model):
    return {"wallet": Wallet, "transaction": Transaction, "transfer": Transfer}[model].objects.all()


def points_of(user):
    return wallet_of(user).balance_points


# --- Nothing by hand --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", MODELS)
def test_rows_are_listed_found_and_shown(as_ada, granted, model):
    for query in ({}, {"q": "Ann"}, {"q": "1"}, {"q": "ann@example.org"}):
        assert as_ada.get(url_of(model, "changelist"), query).status_code == 200
    for row in rows_of(model):
        assert as_ada.get(url_of(model, "change", row.pk)).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_nobody_adds_changes_or_deletes_rows_by_hand(as_ada, granted, model):
    row = rows_of(model).first()
    assert as_ada.get(url_of(model, "add")).status_code == 403
    assert as_ada.post(url_of(model, "add"), {}).status_code == 403
    assert as_ada.post(url_of(model, "change", row.pk), {"points": 5, "note": "other"}).status_code == 403
    assert as_ada.post(url_of(model, "delete", row.pk), {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
    as_ada.post(url_of(model, "changelist"), action)
    assert rows_of(model).filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", MODELS)
def test_a_list_takes_as_many_queries_for_three_rows_as_for_one(as_ada, ada, model):
    counts = []
    for _number in range(3):
        grant_points(UserFactory(), points=5, by=ada)
        with CaptureQueriesContext(connection) as queries:
            as_ada.get(url_of(model, "changelist"))
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2]


def test_transfers_of_one_wallet_are_one_click_away(as_ada, granted, sam):
    grant_points(sam, points=7654)
    wallet = wallet_of(granted.transfers.get().destination.user)
    html = as_ada.get(url_of("wallet", "change", wallet.pk)).content.decode()
    movements = f"{url_of('transfer', 'changelist')}?wallet={wallet.pk}"
    assert movements in html
    assert "7654" not in as_ada.get(movements).content.decode()
    for nonsense in ("x", "9" * 30, "-1", ""):
        assert as_ada.get(url_of("transfer", "changelist"), {"wallet": nonsense}).status_code == 200


@pytest.mark.parametrize("answer", ["yes", "no"])
def test_transactions_are_filtered_by_whether_they_were_reversed(as_ada, granted, ada, sam, answer):
    reverse_transaction(grant_points(sam, points=5), by=ada, note="Mistake")
    found = as_ada.get(url_of("transaction", "changelist"), {"reversed": answer}).context["cl"].queryset
    assert all(hasattr(row, "reversed_by") is (answer == "yes") for row in found)
    assert len(found) == (1 if answer == "yes" else 2)


# --- Granting ---------------------------------------------------------------------------------------------------------


def grant_url(*people):
    return f"{GRANT}?people={','.join(str(person.pk) for person in people)}"


def test_staff_find_granting_on_a_persons_page(as_ada, ann):
    html = as_ada.get(reverse("admin:accounts_user_change", args=[ann.pk])).content.decode()
    assert grant_url(ann) in html


@pytest.mark.parametrize(
    ("changelist", "action"),
    [("accounts_user", "grant_points_to_people"), ("wallets_wallet", "grant_points_to_owners")],
)
def test_staff_find_granting_on_the_lists_of_people_and_of_wallets(as_ada, ann, sam, changelist, action):
    rows = [ann, sam] if changelist == "accounts_user" else [wallet_of(ann), wallet_of(sam)]
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]}
    response = as_ada.post(reverse(f"admin:{changelist}_changelist"), chosen)
    assert response.status_code == 302
    assert response.url.replace("%2C", ",") == grant_url(ann, sam)
    html = as_ada.get(response.url).content.decode()
    assert "Ann Archer" in html
    assert "Sam Stone" in html


def test_an_escrow_has_no_person_to_grant_to(as_ada):
    chosen = {"action": "grant_points_to_owners", "_selected_action": [open_escrow().pk]}
    response = as_ada.post(url_of("wallet", "changelist"), chosen, follow=True)
    assert "None of these wallets belongs to a person or a group." in response.content.decode()


def test_granting_from_the_admin_calls_the_action_for_each(as_ada, ada, ann, sam):
    response = as_ada.post(grant_url(ann, sam), {"points": 25, "note": "Open day", "form_key": KEY}, follow=True)
    assert response.status_code == 200
    assert "25 points each for 2 people." in response.content.decode()
    assert (points_of(ann), points_of(sam)) == (25, 25)
    assert set(Transaction.objects.values_list("reason", "actor", "note")) == {("grant", ada.pk, "Open day")}


def test_sending_the_same_form_twice_grants_once(as_ada, ann):
    for _time in range(2):
        as_ada.post(grant_url(ann), {"points": 25, "note": "Open day", "form_key": KEY})
    assert points_of(ann) == 25
    response = as_ada.post(grant_url(ann), {"points": 30, "note": "Open day", "form_key": KEY})
    assert response.status_code == 422
    assert points_of(ann) == 25


def test_points_below_zero_are_an_adjustment(as_ada, granted, ann):
    as_ada.post(grant_url(ann), {"points": -30, "note": "Given twice", "form_key": KEY})
    assert points_of(ann) == 70
    assert Transaction.objects.latest("id").reason == "adjustment"


def test_taking_more_than_one_of_them_has_takes_from_nobody(as_ada, granted, ann, sam):
    response = as_ada.post(grant_url(ann, sam), {"points": -30, "note": "Given twice", "form_key": KEY})
    assert response.status_code == 402
    assert "30 are missing" in response.content.decode()
    assert (points_of(ann), points_of(sam)) == (100, 0)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"note": ""}, "note"),
        ({"note": "  "}, "note"),
        ({"note": "x" * 301}, "note"),
        ({"note": "a\0b"}, "note"),
        ({"points": ""}, "points"),
        ({"points": "0"}, "points"),
        ({"points": "1.5"}, "points"),
        ({"points": str(2**63)}, "points"),
        ({"form_key": "x"}, "form_key"),
    ],
)
def test_a_grant_that_is_not_filled_in_is_refused_beside_its_field(as_ada, ann, wrong, field):
    response = as_ada.post(grant_url(ann), {"points": 25, "note": "Open day", "form_key": KEY, **wrong})
    assert response.status_code == 422
    assert list(response.context["form"].errors) == [field]
    assert not Transaction.objects.exists()


@pytest.mark.parametrize("people", ["", "x", "1,x", "999999", "²", "9" * 40, ",".join(["1"] * 300), "-1"])
def test_granting_to_people_who_do_not_exist_is_not_found(as_ada, people):
    assert as_ada.get(GRANT, {"people": people}).status_code == 404


def test_more_people_than_fit_are_sent_to_the_command(as_ada):
    people = UserFactory.create_batch(201)
    chosen = {"action": "grant_points_to_people", "_selected_action": [person.pk for person in people]}
    response = as_ada.post(reverse("admin:accounts_user_changelist"), {**chosen, "select_across": "1"}, follow=True)
    assert "Choose at most 200 people at once" in response.content.decode()


def test_staff_without_the_permission_neither_see_nor_use_granting(client, clerk, ann, granted):
    clerk.user_permissions.add(Permission.objects.get(codename="view_user", content_type__app_label="accounts"))
    assert client.get(grant_url(ann)).status_code == 403
    assert client.post(grant_url(ann), {"points": 5, "note": "x", "form_key": KEY}).status_code == 403
    assert grant_url(ann) not in client.get(reverse("admin:accounts_user_change", args=[ann.pk])).content.decode()
    assert "grant_points_to_owners" not in client.get(url_of("wallet", "changelist")).content.decode()
    people = client.get(reverse("admin:accounts_user_changelist")).content.decode()
    assert "grant_points_to_people" not in people


# --- Reversing --------------------------------------------------------------------------------------------------------


def test_reversing_says_what_moves_back_asks_why_and_does_it(as_ada, ada, ann, granted):
    page = url_of("transaction", "reverse", granted.pk)
    assert page in as_ada.get(url_of("transaction", "change", granted.pk)).content.decode()
    assert "100 points go back from Ann Archer to" in as_ada.get(page).content.decode()
    response = as_ada.post(page, {"note": "Wrong person"})
    reversal = Transaction.objects.get(reverses=granted)
    assert response.url == url_of("transaction", "change", reversal.pk)
    assert (reversal.note, reversal.actor) == ("Wrong person", ada)
    assert points_of(ann) == 0


def test_reversing_needs_a_note(as_ada, ann, granted):
    response = as_ada.post(url_of("transaction", "reverse", granted.pk), {"note": " "})
    assert response.status_code == 422
    assert points_of(ann) == 100


def test_reversing_what_is_spent_says_what_is_missing(as_ada, ann, granted):
    hold_points(wallet_of(ann), open_escrow(), points=40, by=ann, subject=None)
    response = as_ada.post(url_of("transaction", "reverse", granted.pk), {"note": "Wrong person"})
    assert response.status_code == 402
    assert "40 are missing" in response.content.decode()
    assert points_of(ann) == 60


@pytest.mark.parametrize("kind", ["reversed", "hold"])
def test_what_cannot_be_reversed_has_no_button_and_stays(as_ada, ada, ann, granted, kind):
    if kind == "reversed":
        row = granted
        reverse_transaction(granted, by=ada, note="Mistake")
    else:
        row = hold_points(wallet_of(ann), open_escrow(), points=40, by=ann, subject=None)
    before = Transaction.objects.count()
    page = url_of("transaction", "reverse", row.pk)
    assert page not in as_ada.get(url_of("transaction", "change", row.pk)).content.decode()
    response = as_ada.post(page, {"note": "Again"}, follow=True)
    assert "This cannot be reversed here" in response.content.decode()
    assert Transaction.objects.count() == before


def test_reversing_a_transaction_that_does_not_exist_is_not_found(as_ada):
    assert as_ada.get(url_of("transaction", "reverse", 999999)).status_code == 404


def test_staff_without_the_permission_cannot_reverse(client, clerk, granted):
    page = url_of("transaction", "reverse", granted.pk)
    assert page not in client.get(url_of("transaction", "change", granted.pk)).content.decode()
    assert client.post(page, {"note": "x"}).status_code == 403


@pytest.mark.parametrize("url", [GRANT, url_of("transaction", "reverse", 1), url_of("wallet", "changelist")])
def test_people_who_are_not_staff_stay_outside(client, ann, url):
    client.force_login(ann)
    response = client.get(url)
    assert response.status_code in (302, 403)
