"""What has happened on a ticket's page since somebody last looked at it.

The page carries a token of what it shows and asks with it every few seconds. The token is made of nothing but what its
viewer sees, so that a note among staff does not even change the token of others; and it tells replies from the rest, so
that a new reply is put below the others without touching them.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2s

from tickets.models import Reply

TOKEN = re.compile(r"([0-9]{1,18})\.([0-9a-f]{16})\.([0-9a-f]{16})")


class Place(StrEnum):
    """What stands where one writes."""

    FORM = "form"
    WORDS = "words"  # that could not be sent
    NOTHING = ""

    @classmethod
    def of(cls, seen, unsent=""):
        if seen.can_reply:
            return cls.FORM
        return cls.WORDS if unsent else cls.NOTHING


@dataclass(frozen=True)
class Token:
    """The last reply that was shown, a digest of all up to it, a digest of the ticket's state."""

    last_reply: int
    replies: str
    state: str

    def __str__(self):
        return f"{self.last_reply}.{self.replies}.{self.state}"

    @classmethod
    def read(cls, text):
        """The token that `text` spells; None for anything else."""
        match = TOKEN.fullmatch(text)
        return cls(int(match[1]), match[2], match[3]) if match else None


@dataclass(frozen=True)
class News:
    """What a page with an older token lacks. False when it lacks nothing."""

    replies_changed: bool  # others than the new ones
    there_are_replies: bool
    state_changed: bool

    def __bool__(self):
        return self.replies_changed or self.there_are_replies or self.state_changed


def glance(ticket, viewer):
    """The little of the replies that `viewer` may read that tells whether there is news. One query."""
    rows = Reply.objects.visible_to(viewer).filter(ticket=ticket).order_by("id")
    return list(rows.values_list("id", "kind", "is_useful", "edited_at"))


def glance_at(replies):
    """The same of replies that are loaded already: what a page shows and its token must come from one query."""
    return [(reply.pk, reply.kind, reply.is_useful, reply.edited_at) for reply in replies]


def token_of(ticket, glanced):
    last = glanced[-1][0] if glanced else 0
    return Token(last, _digest_of_replies(ticket, glanced, last), _digest_of_state(ticket))


def news_since(token, ticket, glanced):
    """What has changed since `token`; with None for a token, everything is new."""
    if token is None:
        return News(replies_changed=True, there_are_replies=False, state_changed=True)
    return News(
        replies_changed=_digest_of_replies(ticket, glanced, token.last_reply) != token.replies,
        there_are_replies=any(row[0] > token.last_reply for row in glanced),
        state_changed=_digest_of_state(ticket) != token.state,
    )


def _digest_of_replies(ticket, glanced, last):
    # With the state and the mentor: they decide which replies are solutions and which buttons hang on them.
    seen = [row for row in glanced if row[0] <= last]
    return _digest(ticket.status, ticket.mentor_id, ticket.solution_id, ticket.is_public, seen)


def _digest_of_state(ticket):
    return _digest(
        ticket.status,
        ticket.mentor_id,
        ticket.solution_id,
        ticket.waiting_on,
        ticket.waiting_since,
        ticket.is_public,
        ticket.hidden_at,
        ticket.edited_at,
        ticket.group_id,
    )


def _digest(*facts):
    return blake2s(repr(facts).encode(), digest_size=8).hexdigest()
