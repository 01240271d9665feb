"""Questions in writing, from the asking to the solution."""

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Body, Query, Router, Status

from accounts.models import ProjectGroup
from mentorbook.errors import NotAllowed
from mentorbook.markdown import render_each
from mentorbook.rest.documented import refuses
from mentorbook.rest.schemas import Listed, part_of
from tickets import actions
from tickets.actions import (
    AlreadyClosed,
    AlreadyTaken,
    AtCapacity,
    DescriptionMissing,
    GapMissing,
    NoLongerYours,
    NotAssigned,
    NotOpen,
    NotResolved,
    NotYourGroup,
    OwnTicket,
    SolutionMissing,
    TagsWrong,
    TextMissing,
    TicketDeleted,
    TitleMissing,
    TooManyOpen,
)
from tickets.api.lists import MentorsOnly, tickets_of
from tickets.api.shapes import (
    FittingMentor,
    ReleaseReason,
    ReopenReason,
    ReplyFilters,
    ReplyOut,
    ReplyWish,
    Solution,
    TicketChanges,
    TicketFilters,
    TicketOut,
    TicketRow,
    TicketWish,
)
from tickets.matching import mentors_shown_to
from tickets.models import Reply, Ticket

tickets = Router(tags=["tickets"])


# --- Asking -----------------------------------------------------------------------------------------------------------


@tickets.get("/", response=Listed[TicketRow], summary="List tickets")
@refuses(MentorsOnly)
def list_tickets(request, wish: Query[TicketFilters]):
    """Without the texts, which a single ticket has. The queue stands in the order of its page: those that fit you and
    those that wait for long come first. With `q`, the best match is first unless `ordering` says otherwise; a search
    finds 1,000 at most."""
    rows, as_ticket = tickets_of(request.user, wish, now=timezone.now())
    part = part_of(rows, wish)
    return {"items": [as_ticket(row) for row in part["items"]], "count": part["count"]}


@tickets.post("/", response={201: TicketOut}, summary="Ask a question")
@refuses(TitleMissing, DescriptionMissing, TagsWrong, TooManyOpen, NotYourGroup, NotAllowed)
def ask_question(request, wish: TicketWish):
    """It waits for a mentor from now on. Only so many of one person can wait at once."""
    wanted = wish.model_dump(exclude={"project_group_id"})
    ticket = actions.create_ticket(request.user, **wanted, group=_group(wish.project_group_id), now=timezone.now())
    return Status(201, ticket)


@tickets.get("/{int:ticket_id}", response=TicketOut, summary="Get a ticket")
@refuses()
def get_ticket(request, ticket_id: int):
    """For its student, its mentor, staff, the members of the group it is shared with, and while it is not solved for
    every mentor."""
    return _find(request, ticket_id)


@tickets.put("/{int:ticket_id}", response=TicketOut, summary="Change a question")
@refuses(NotAllowed, NotOpen, TicketDeleted, TitleMissing, DescriptionMissing, TagsWrong, NotYourGroup)
def change_question(request, ticket_id: int, changes: TicketChanges):
    """Changes the fields that are sent, and no others: for whoever asked, while no mentor has it."""
    given = changes.given()
    if "project_group_id" in given:
        given["group"] = _group(given.pop("project_group_id"))
    return actions.edit_ticket(_find(request, ticket_id), by=request.user, **given, now=timezone.now())


@tickets.delete("/{int:ticket_id}", response={204: None}, summary="Take a question back")
@refuses(NotAllowed, NotOpen, TicketDeleted)
def delete_question(request, ticket_id: int):
    """For whoever asked, while no mentor has it. Nothing of it can be seen any more."""
    actions.delete_ticket(_find(request, ticket_id), by=request.user, now=timezone.now())
    return Status(204, None)


# --- Its life ---------------------------------------------------------------------------------------------------------


@tickets.put("/{int:ticket_id}/accept", response=TicketOut, summary="Take a ticket")
@refuses(NotAllowed, OwnTicket, AlreadyTaken, AtCapacity, TicketDeleted)
def accept(request, ticket_id: int):
    """For approved mentors. Of many at once exactly one gets it; the others are told in `mentor_id` and `mentor_name`
    who has it. Taking it a second time changes nothing."""
    return actions.accept_ticket(_find(request, ticket_id), by=request.user, now=timezone.now())


@tickets.put("/{int:ticket_id}/release", response=TicketOut, summary="Give a ticket back")
@refuses(NotAllowed, NoLongerYours, NotAssigned, TicketDeleted)
def release(request, ticket_id: int, wish: ReleaseReason = Body(ReleaseReason())):  # noqa: B008  made once on purpose: nobody changes it
    """For its mentor. It waits in the queue again, and the student is told; a reason may be sent along."""
    return actions.release_ticket(_find(request, ticket_id), by=request.user, reason=wish.reason, now=timezone.now())


@tickets.put("/{int:ticket_id}/resolve", response=TicketOut, summary="Solve a ticket")
@refuses(NotAllowed, NoLongerYours, NotAssigned, TicketDeleted, SolutionMissing)
def resolve(request, ticket_id: int, wish: Solution):
    """For its mentor. The student is asked whether it helped; after some days without a word the ticket closes."""
    return actions.resolve_ticket(_find(request, ticket_id), by=request.user, text=wish.solution, now=timezone.now())


@tickets.put("/{int:ticket_id}/reopen", response=TicketOut, summary="Reopen a ticket")
@refuses(NotAllowed, NotResolved, TicketDeleted, GapMissing)
def reopen(request, ticket_id: int, wish: ReopenReason):
    """For whoever asked, once it is solved and not yet closed: the same mentor has it again."""
    return actions.reopen_ticket(_find(request, ticket_id), by=request.user, reason=wish.reason, now=timezone.now())


@tickets.put("/{int:ticket_id}/close", response=TicketOut, summary="Close a ticket")
@refuses(NotAllowed, NotResolved, TicketDeleted)
def close(request, ticket_id: int):
    """For whoever asked: the solution holds."""
    return actions.close_ticket(_find(request, ticket_id), by=request.user, now=timezone.now())


# --- What is written in it --------------------------------------------------------------------------------------------


@tickets.get("/{int:ticket_id}/replies", response=Listed[ReplyOut], summary="List replies")
@refuses()
def list_replies(request, ticket_id: int, wish: Query[ReplyFilters]):
    """Oldest first. Notes of staff are for staff alone. To look for news, ask for what came `after` the last id.

    One answer renders 200,000 characters: in the `body_html` of what comes after them, the text stands as it was typed.
    Ask for smaller pages where that matters."""
    ticket = _find(request, ticket_id)
    rows = Reply.objects.visible_to(request.user).filter(ticket=ticket, pk__gt=wish.after)
    part = part_of(rows.select_related("author").prefetch_related("attachments").order_by("id"), wish)
    for reply, html in zip(part["items"], render_each(reply.text for reply in part["items"]), strict=True):
        reply.html = html
    return part


@tickets.post("/{int:ticket_id}/replies", response={200: ReplyOut, 201: ReplyOut}, summary="Reply")
@refuses(NotAllowed, NoLongerYours, AlreadyClosed, TicketDeleted, TextMissing)
def write_reply(request, ticket_id: int, wish: ReplyWish):
    """For its student, its mentor and staff, until it is closed; the others are told. With a `client_id` that you have
    used in this ticket before, nothing is written and the answer is 200 with what was written then."""
    write = actions.add_note if wish.is_internal else actions.reply_to_ticket
    ticket = _find(request, ticket_id)
    reply = write(ticket, by=request.user, text=wish.body, client_key=wish.client_id, now=timezone.now())
    return Status(200 if reply.is_repeated else 201, reply)


@tickets.get("/{int:ticket_id}/matches", response=Listed[FittingMentor], summary="Find mentors for a ticket")
@refuses(NotAllowed)
def list_matches(request, ticket_id: int):
    """The five mentors who fit best and have room, best first, for whoever asked and for staff. `reasons` say why."""
    matches = mentors_shown_to(request.user, _find(request, ticket_id), now=timezone.now())
    return {"items": matches, "count": len(matches)}


def _find(request, ticket_id):
    seen = Ticket.objects.visible_to(request.user).with_people().prefetch_related("tags", "attachments")
    return get_object_or_404(seen, pk=ticket_id)


def _group(group_id):
    """The group with this id for an action, which asks by itself whether there is such a group of the person's."""
    return ProjectGroup(pk=group_id) if group_id else None
