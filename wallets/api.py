"""Points: balance and statement."""

from typing import Literal

from ninja import Query, Router
from pydantic import Field

from mentorbook.rest.documented import refuses
from mentorbook.rest.schemas import EXAMPLE_TIME, Id, Instant, Listed, Output, Paging, example, part_of
from wallets import statement
from wallets.models import Transaction, Wallet

wallet = Router(tags=["points"])


class Balance(Output):
    model_config = example(balance_points=120, held_points=50)

    balance_points: int = Field(description="What can be spent now.")
    held_points: int = Field(description="What waits for sessions that are not finished; no part of the balance.")


class StatementRow(Output):
    """Points that came to a wallet or left it."""

    model_config = example(
        id=4711,
        reason="hold",
        points=-50,
        balance_after=70,
        appointment_id=17,
        project_group_id=None,
        note="",
        created_at=EXAMPLE_TIME,
    )

    id: Id
    reason: Literal[*Transaction.Reason.values]
    points: int = Field(description="Above zero came in, below zero went out.")
    balance_after: int = Field(description="What was in the wallet afterwards.")
    appointment_id: Id | None = Field(description="The session that it was for.")
    project_group_id: Id | None = Field(description="The group that a contribution went to.")
    note: str
    created_at: Instant

    @staticmethod
    def resolve_reason(row):
        return statement.reason_of(row).value

    @staticmethod
    def resolve_points(row):
        return row.change_points

    @staticmethod
    def resolve_balance_after(row):
        return row.running_points

    @staticmethod
    def resolve_appointment_id(row):
        return statement.subject_id(row, "bookings", "appointment")

    @staticmethod
    def resolve_project_group_id(row):
        return statement.subject_id(row, "accounts", "projectgroup")

    @staticmethod
    def resolve_note(row):
        return row.transaction.note

    @staticmethod
    def resolve_created_at(row):
        return row.transaction.created_at


class StatementPage(Paging):
    model_config = example(page=1, page_size=20)


def rows_for_programs(of_wallet):
    """The rows of a statement with what programs are told of each: of what they are about, its id alone."""
    rows = statement.statement_rows(of_wallet).prefetch_related(None)
    return rows.select_related("transaction__subject_type")


@wallet.get("/", response=Balance, summary="Get your balance")
@refuses()
def balance(request):
    """Your points: what you can spend, and what is held for sessions to come."""
    own = _own(request)
    return {"balance_points": own.balance_points if own else 0, "held_points": statement.held_points(own)}


@wallet.get("/transactions", response=Listed[StatementRow], summary="List your transactions")
@refuses()
def transactions(request, wish: Query[StatementPage]):
    """All that came to your wallet and left it, newest first, with the balance after each: the statement."""
    return part_of(rows_for_programs(_own(request)), wish)


def _own(request):
    return Wallet.objects.filter(user=request.user).first()
