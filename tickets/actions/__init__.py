"""Everything that changes tickets and what belongs to them. Nothing else writes them.

asking        from a question to an open ticket; drafts
taking        who has it
conversation  what people write in it
solving       solved, reopened, closed
sharing       which group may read it
knowledge     what readers and staff do with articles
attachments   files
overdue       what time does by itself
figures       how much a mentor has solved, and how quickly
states        the refusals that they share; `texts`, `history` and `locks` are for the modules here
"""

from tickets.actions.asking import (
    TooManyOpen,
    create_ticket,
    delete_ticket,
    discard_draft,
    edit_ticket,
    save_draft,
    set_public,
)
from tickets.actions.conversation import (
    NotAReply,
    TooLateToEdit,
    add_note,
    edit_reply,
    mark_useful,
    reply_to_ticket,
)
from tickets.actions.figures import refresh_figures
from tickets.actions.knowledge import (
    NotAnArticle,
    OwnWork,
    bookmark_article,
    hide_article,
    remove_bookmark,
    remove_upvote,
    show_article,
    upvote_article,
)
from tickets.actions.overdue import (
    close_solved_tickets,
    nudge_silent_mentors,
    release_silent_tickets,
    warn_before_closing,
)
from tickets.actions.sharing import NotYourGroup, share_ticket
from tickets.actions.solving import GapMissing, close_ticket, reopen_ticket, resolve_ticket
from tickets.actions.states import (
    AlreadyClosed,
    NoLongerYours,
    NotAssigned,
    NotOpen,
    NotResolved,
    TicketDeleted,
)
from tickets.actions.taking import (
    AlreadyTaken,
    AtCapacity,
    NotAMentor,
    OwnTicket,
    SameMentor,
    accept_ticket,
    reassign_ticket,
    release_ticket,
)
from tickets.actions.texts import (
    DescriptionMissing,
    ReasonMissing,
    SolutionMissing,
    TagsWrong,
    TextMissing,
    TextTooLong,
    TitleMissing,
)

__all__ = [
    "AlreadyClosed",
    "AlreadyTaken",
    "AtCapacity",
    "DescriptionMissing",
    "GapMissing",
    "NoLongerYours",
    "NotAMentor",
    "NotAReply",
    "NotAnArticle",
    "NotAssigned",
    "NotOpen",
    "NotResolved",
    "NotYourGroup",
    "OwnTicket",
    "OwnWork",
    "ReasonMissing",
    "SameMentor",
    "SolutionMissing",
    "TagsWrong",
    "TextMissing",
    "TextTooLong",
    "TicketDeleted",
    "TitleMissing",
    "TooLateToEdit",
    "TooManyOpen",
    "accept_ticket",
    "add_note",
    "bookmark_article",
    "close_solved_tickets",
    "close_ticket",
    "create_ticket",
    "delete_ticket",
    "discard_draft",
    "edit_reply",
    "edit_ticket",
    "hide_article",
    "mark_useful",
    "nudge_silent_mentors",
    "reassign_ticket",
    "refresh_figures",
    "release_silent_tickets",
    "release_ticket",
    "remove_bookmark",
    "remove_upvote",
    "reopen_ticket",
    "reply_to_ticket",
    "resolve_ticket",
    "save_draft",
    "set_public",
    "share_ticket",
    "show_article",
    "upvote_article",
    "warn_before_closing",
]
