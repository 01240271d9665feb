"""Tickets and the knowledge base: `ticket` the question and its history, `conversation` what was written and attached,
`knowledge` what readers do with articles."""

from tickets.models.conversation import MAX_IN_ARTICLE, Attachment, Draft, Reply
from tickets.models.knowledge import Bookmark, Upvote
from tickets.models.ticket import (
    MAX_TAGS,
    REASON_LENGTH,
    TEXT_LENGTH,
    TITLE_LENGTH,
    Ticket,
    TicketEvent,
    knowledge_is_open_to,
)

__all__ = [
    "MAX_IN_ARTICLE",
    "MAX_TAGS",
    "REASON_LENGTH",
    "TEXT_LENGTH",
    "TITLE_LENGTH",
    "Attachment",
    "Bookmark",
    "Draft",
    "Reply",
    "Ticket",
    "TicketEvent",
    "Upvote",
    "knowledge_is_open_to",
]
