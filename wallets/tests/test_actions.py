import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from wallets.actions import (
    AlreadyReversed,
    IdempotencyMismatch,
    NoteMissing,
    NotEnoughPoints,
    NothingHeld,
    PointsOutOfRange,
    adjust_points,
    capture_hold,
    grant_points,
    grant_signup_points,
    hold_points,
    issuance_wallet,
    open_escrow,
    release_hold,
    reverse_transaction,
    transfer_points,
    wallet_of,
)
from wallets.models import MAX_POINTS, Transaction, Transfer, Wallet

Reason = Transaction.Reason


@pytest.fixture
def rich_ann(ann):
    """Ann with 100 points."""
    grant_points(ann, points=100)
    return ann


@pytest.fixture
def escrow(db):
    return open_escrow()


def points_of(person_or_wallet):
    if isinstance(person_or_wallet, Wallet):
        return Wallet.objects.get(pk=person_or_wallet.pk).balance_points
    return wallet_of(person_or_wallet).balance_points


def hold(payer, escrow, points, **more):
    return hold_points(wallet_of(payer), escrow, points=points, by=payer, subject=None, **more)


# --- Wallets ----------------------------------------------------------------------------------------------------------


def test_wallet_of_makes_one_empty_wallet_per_person(ann, sam):
    wallet = wallet_of(ann)
    assert wallet == wallet_of(ann) != wallet_of(sam)
    assert (wallet.kind, wallet.balance_points) == (Wallet.Kind.USER, 0)


def test_there_is_one_issuance_wallet(db):
    assert issuance_wallet() == issuance_wallet()
    assert issuance_wallet().kind == Wallet.Kind.ISSUANCE


def test_each_escrow_is_its_own(db):
    assert open_escrow() != open_escrow()


# --- Granting ---------------------------------------------------------------------------------------------------------


def test_grant_points_comes_out_of_issuance(ann, ada):
    granted = grant_points(ann, points=70, by=ada, note="Hackathon")
    assert points_of(ann) == 70
    assert points_of(issuance_wallet()) == -70
    assert (granted.reason, granted.actor, granted.note) == (Reason.GRANT, ada, "Hackathon")
    assert granted.points_to(wallet_of(ann)) == 70
    assert granted.points_to(issuance_wallet()) == 0


def test_granting_nothing_is_no_transaction(ann):
    assert grant_points(ann, points=0) is None
    assert not Transaction.objects.exists()


@pytest.mark.parametrize("points", [-1, -MAX_POINTS])
def test_grant_points_below_zero_is_a_mistake_of_the_caller(ann, points):
    with pytest.raises(ValueError, match="moves nothing"):
        grant_points(ann, points=points)


@pytest.mark.parametrize("points", [MAX_POINTS + 1, 2**31, 2**63, 10**30])
def test_more_points_than_one_transfer_may_have_are_refused(ann, points):
    with pytest.raises(PointsOutOfRange):
        grant_points(ann, points=points)
    assert points_of(ann) == 0


def test_signup_grant_comes_once_in_a_life_even_when_the_setting_changes(ann, settings):
    settings.SIGNUP_GRANT_POINTS = 25
    first = grant_signup_points(ann)
    settings.SIGNUP_GRANT_POINTS = 500
    assert grant_signup_points(ann) == first
    assert points_of(ann) == 25
    assert first.reason == Reason.SIGNUP_GRANT


def test_signup_grant_of_zero_is_none(ann, settings):
    settings.SIGNUP_GRANT_POINTS = 0
    assert grant_signup_points(ann) is None


def test_staff_adjust_in_both_directions(rich_ann, ada):
    adjust_points(rich_ann, points=20, by=ada, note="Forgotten prize")
    taken = adjust_points(rich_ann, points=-50, by=ada, note="Given twice")
    assert points_of(rich_ann) == 70
    assert (taken.reason, taken.note) == (Reason.ADJUSTMENT, "Given twice")


def test_adjustment_takes_no_more_than_there_is(rich_ann, ada):
    with pytest.raises(NotEnoughPoints):
        adjust_points(rich_ann, points=-101, by=ada, note="Too much")
    assert points_of(rich_ann) == 100


@pytest.mark.parametrize("note", ["", "  \n"])
def test_adjustment_needs_a_note(rich_ann, ada, note):
    with pytest.raises(NoteMissing):
        adjust_points(rich_ann, points=5, by=ada, note=note)


# --- Transfers --------------------------------------------------------------------------------------------------------


def test_transfer_points_moves_between_people(rich_ann, sam):
    moved = transfer_points(
        wallet_of(rich_ann), wallet_of(sam), points=30, by=rich_ann, reason=Reason.TRANSFER, note="Lunch"
    )
    assert (points_of(rich_ann), points_of(sam)) == (70, 30)
    assert moved.points_to(wallet_of(sam)) == 30


def test_a_wallet_may_be_emptied_and_no_further(rich_ann, sam):
    ends = wallet_of(rich_ann), wallet_of(sam)
    with pytest.raises(NotEnoughPoints) as refusal:
        transfer_points(*ends, points=101, by=rich_ann, reason=Reason.TRANSFER, note="")
    assert refusal.value.facts == {
        "balance_points": 100,
        "needed_points": 101,
        "missing_points": 1,
        "wallet_id": ends[0].pk,
    }
    assert refusal.value.status == 402
    assert (points_of(rich_ann), points_of(sam)) == (100, 0)
    transfer_points(*ends, points=100, by=rich_ann, reason=Reason.TRANSFER, note="")
    assert (points_of(rich_ann), points_of(sam)) == (0, 100)


def test_an_escrow_is_closed_to_plain_transfers(rich_ann, sam, escrow):
    hold(rich_ann, escrow, 40)
    for source, destination in [(escrow, wallet_of(sam)), (wallet_of(rich_ann), escrow)]:
        with pytest.raises(ValueError, match="escrow"):
            transfer_points(source, destination, points=1, by=None, reason=Reason.TRANSFER, note="")


def test_a_wallet_gives_nothing_to_itself(rich_ann):
    wallet = wallet_of(rich_ann)
    with pytest.raises(ValueError, match="moves nothing"):
        transfer_points(wallet, wallet, points=5, by=None, reason=Reason.TRANSFER, note="")


def test_a_note_longer_than_the_column_is_cut(rich_ann, sam):
    moved = transfer_points(
        wallet_of(rich_ann), wallet_of(sam), points=1, by=None, reason=Reason.TRANSFER, note="x" * 500
    )
    assert len(moved.note) == 300
    assert moved.note.endswith("x…")


# --- Holds ------------------------------------------------------------------------------------------------------------


def test_hold_points_takes_the_price_into_escrow(rich_ann, escrow, max):
    held = hold_points(wallet_of(rich_ann), escrow, points=40, by=rich_ann, subject=max)
    assert (points_of(rich_ann), points_of(escrow)) == (60, 40)
    assert (held.reason, held.actor, held.subject) == (Reason.HOLD, rich_ann, max)


def test_hold_points_says_how_many_are_missing_and_moves_none(rich_ann, escrow):
    with pytest.raises(NotEnoughPoints) as refusal:
        hold(rich_ann, escrow, 130)
    assert (refusal.value.missing_points, refusal.value.balance_points) == (30, 100)
    assert "30 are missing" in refusal.value.message
    assert (points_of(rich_ann), points_of(escrow)) == (100, 0)
    assert not Transaction.objects.filter(reason=Reason.HOLD).exists()


def test_a_free_session_holds_nothing_and_gives_nothing_back(ann, escrow, max):
    assert hold(ann, escrow, 0) is None
    assert release_hold(escrow, by=ann, subject=None) is None
    assert capture_hold(escrow, to=wallet_of(max), by=max, subject=None) is None


def test_an_escrow_takes_points_of_one_payer_only(rich_ann, sam, escrow):
    grant_points(sam, points=100)
    hold(rich_ann, escrow, 10)
    hold(rich_ann, escrow, 5)
    with pytest.raises(ValueError, match="someone else"):
        hold(sam, escrow, 10)
    assert (points_of(escrow), points_of(sam)) == (15, 100)


def test_points_are_held_in_an_escrow_only(rich_ann, sam):
    with pytest.raises(ValueError, match="escrow"):
        hold_points(wallet_of(rich_ann), wallet_of(sam), points=1, by=None, subject=None)


def test_release_hold_returns_everything_to_the_payer_once(rich_ann, escrow):
    hold(rich_ann, escrow, 40)
    hold(rich_ann, escrow, 20)
    released = release_hold(escrow, by=None, subject=None, note="The mentor is ill")
    assert released.points_to(wallet_of(rich_ann)) == 60
    assert (points_of(rich_ann), points_of(escrow)) == (100, 0)
    with pytest.raises(NothingHeld):
        release_hold(escrow, by=None, subject=None)
    assert points_of(rich_ann) == 100


def test_capture_hold_pays_the_mentor_once(rich_ann, escrow, max):
    hold(rich_ann, escrow, 40)
    paid = capture_hold(escrow, to=wallet_of(max), by=max, subject=None)
    assert paid.points_to(wallet_of(max)) == 40
    assert (points_of(rich_ann), points_of(escrow), points_of(max)) == (60, 0, 40)
    for again in (
        lambda: capture_hold(escrow, to=wallet_of(max), by=max, subject=None),
        lambda: release_hold(escrow, by=max, subject=None),
    ):
        with pytest.raises(NothingHeld):
            again()
    assert (points_of(rich_ann), points_of(max)) == (60, 40)


@pytest.mark.parametrize(("held", "back"), [(31, 16), (30, 0), (40, 40), (1, 1)])
def test_capture_hold_returns_so_many_points_to_the_payer(rich_ann, escrow, max, held, back):
    hold(rich_ann, escrow, held)
    paid = capture_hold(escrow, to=wallet_of(max), by=rich_ann, subject=None, return_points=back)
    assert paid.points_to(wallet_of(rich_ann)) == back
    assert paid.points_to(wallet_of(max)) == held - back
    assert (points_of(rich_ann), points_of(escrow), points_of(max)) == (100 - held + back, 0, held - back)


@pytest.mark.parametrize("points", [-1, 11])
def test_capture_hold_returns_no_more_than_is_held(rich_ann, escrow, max, points):
    hold(rich_ann, escrow, 10)
    with pytest.raises(ValueError, match="cannot be returned"):
        capture_hold(escrow, to=wallet_of(max), by=None, subject=None, return_points=points)
    assert points_of(escrow) == 10


def test_release_hold_returns_a_part_and_keeps_the_rest(rich_ann, escrow):
    hold(rich_ann, escrow, 40)
    release_hold(escrow, by=None, subject=None, points=15)
    assert (points_of(rich_ann), points_of(escrow)) == (75, 25)
    with pytest.raises(NotEnoughPoints):
        release_hold(escrow, by=None, subject=None, points=26)
    assert (points_of(rich_ann), points_of(escrow)) == (75, 25)


def test_holding_takes_a_fixed_number_of_queries(rich_ann, escrow):
    wallet = wallet_of(rich_ann)
    hold_points(wallet, escrow, points=1, by=rich_ann, subject=rich_ann)  # from here Django knows the type
    counts = []
    for _again in range(3):
        with CaptureQueriesContext(connection) as queries:
            hold_points(wallet, escrow, points=1, by=rich_ann, subject=rich_ann)
        counts.append(len(queries))
    assert counts[0] == counts[1] == counts[2] <= 7


# --- Inside a caller's transaction ------------------------------------------------------------------------------------


def test_what_the_caller_rolls_back_never_moved(rich_ann, escrow):
    with transaction.atomic():
        hold(rich_ann, escrow, 40)
        transaction.set_rollback(True)
    assert (points_of(rich_ann), points_of(escrow)) == (100, 0)
    assert not Transaction.objects.filter(reason=Reason.HOLD).exists()


def test_a_refusal_leaves_the_callers_transaction_usable(rich_ann, escrow, sam):
    with transaction.atomic():
        grant_points(sam, points=7)
        with pytest.raises(NotEnoughPoints):
            hold(rich_ann, escrow, 500)
        hold(rich_ann, escrow, 40)
    assert (points_of(sam), points_of(rich_ann), points_of(escrow)) == (7, 60, 40)


# --- The same again ---------------------------------------------------------------------------------------------------


def test_the_same_key_gives_the_same_transaction(ann, ada):
    first = grant_points(ann, points=50, by=ada, note="Prize", idempotency_key="prize-1")
    assert grant_points(ann, points=50, by=ada, note="Prize", idempotency_key="prize-1") == first
    assert points_of(ann) == 50


@pytest.mark.parametrize(
    "other", [{"points": 51}, {"note": "Other"}, {"by": None}, {"reason": Reason.ADJUSTMENT}, {"user": "sam"}]
)
def test_the_same_key_with_other_content_is_refused(ann, sam, ada, other):
    asked = {"user": ann, "points": 50, "by": ada, "note": "Prize", "idempotency_key": "prize-1"}
    grant_points(asked.pop("user"), **asked)
    changed = {"user": ann, **asked, **other}
    person = sam if changed.pop("user") == "sam" else ann
    with pytest.raises(IdempotencyMismatch) as refusal:
        grant_points(person, **changed)
    assert (refusal.value.status, refusal.value.code) == (422, "idempotency_mismatch")
    assert (points_of(ann), points_of(sam)) == (50, 0)


def test_the_same_key_about_something_else_is_refused(rich_ann, escrow, max, sam):
    wallet = wallet_of(rich_ann)
    hold_points(wallet, escrow, points=5, by=rich_ann, subject=max, idempotency_key="k")
    with pytest.raises(IdempotencyMismatch):
        hold_points(wallet, escrow, points=5, by=rich_ann, subject=sam, idempotency_key="k")
    assert hold_points(wallet, escrow, points=5, by=rich_ann, subject=max, idempotency_key="k").subject == max


def test_a_key_whose_action_was_refused_may_be_used_again(ann, escrow):
    with pytest.raises(NotEnoughPoints):
        hold(ann, escrow, 40, idempotency_key="h")
    grant_points(ann, points=40)
    hold(ann, escrow, 40, idempotency_key="h")
    assert points_of(escrow) == 40


def test_a_repeated_key_answers_alike_after_the_points_are_spent(rich_ann, escrow):
    first = hold(rich_ann, escrow, 100, idempotency_key="h")
    assert hold(rich_ann, escrow, 100, idempotency_key="h") == first


def test_without_a_key_each_call_counts(ann):
    grant_points(ann, points=5)
    grant_points(ann, points=5, idempotency_key="")
    assert points_of(ann) == 10


# --- Reversing --------------------------------------------------------------------------------------------------------


def test_reverse_transaction_mirrors_every_transfer(rich_ann, escrow, max, ada):
    hold(rich_ann, escrow, 31)
    paid = capture_hold(escrow, to=wallet_of(max), by=None, subject=rich_ann, return_points=16)
    reversal = reverse_transaction(paid, by=ada, note="Wrong session")
    assert (points_of(rich_ann), points_of(escrow), points_of(max)) == (69, 31, 0)
    assert (reversal.reason, reversal.reverses, reversal.subject) == (Reason.REVERSAL, paid, rich_ann)
    assert paid.transfers.count() == reversal.transfers.count() == 2


def test_points_that_came_back_to_escrow_go_to_its_payer(rich_ann, escrow, max, ada):
    hold(rich_ann, escrow, 30)
    paid = capture_hold(escrow, to=wallet_of(max), by=None, subject=None)
    reverse_transaction(paid, by=ada, note="Dispute")
    release_hold(escrow, by=ada, subject=None)
    assert (points_of(rich_ann), points_of(escrow), points_of(max)) == (100, 0, 0)


def test_reverse_transaction_works_once(ann, ada):
    granted = grant_points(ann, points=50)
    reverse_transaction(granted, by=ada, note="Mistake")
    with pytest.raises(AlreadyReversed):
        reverse_transaction(granted, by=ada, note="Mistake")
    assert points_of(ann) == 0


def test_reverse_transaction_is_refused_when_the_points_are_spent(ann, sam, ada):
    granted = grant_points(ann, points=50)
    transfer_points(wallet_of(ann), wallet_of(sam), points=20, by=ann, reason=Reason.TRANSFER, note="")
    with pytest.raises(NotEnoughPoints) as refusal:
        reverse_transaction(granted, by=ada, note="Mistake")
    assert refusal.value.missing_points == 20
    assert (points_of(ann), points_of(sam)) == (30, 20)
    assert not Transaction.objects.filter(reverses=granted).exists()


def test_reverse_transaction_needs_a_note(ann, ada):
    granted = grant_points(ann, points=50)
    with pytest.raises(NoteMissing):
        reverse_transaction(granted, by=ada, note=" ")


@pytest.mark.parametrize(
    ("reason", "offered"), [("grant", True), ("reversed", False), ("reversal", False), ("hold", False)]
)
def test_staff_are_offered_to_reverse_what_no_session_depends_on(rich_ann, escrow, ada, reason, offered):
    granted = grant_points(rich_ann, points=5)
    if reason == "hold":
        row = hold(rich_ann, escrow, 5)
    elif reason == "grant":
        row = granted
    else:
        reversal = reverse_transaction(granted, by=ada, note="Mistake")
        row = reversal if reason == "reversal" else Transaction.objects.get(pk=granted.pk)
    assert row.can_be_reversed_by_staff is offered


# --- Always -----------------------------------------------------------------------------------------------------------


def test_all_wallets_together_are_always_zero(rich_ann, escrow, max, ada):
    hold(rich_ann, escrow, 33)
    capture_hold(escrow, to=wallet_of(max), by=None, subject=None, return_points=17)
    adjust_points(max, points=-3, by=ada, note="Fee")
    assert sum(Wallet.objects.values_list("balance_points", flat=True)) == 0
    assert not Transfer.objects.filter(points__lte=0).exists()
