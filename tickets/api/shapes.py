"""What programs send and get about tickets."""

from typing import Annotated, Literal

from django.conf import settings
from django.core.exceptions import ValidationError
from pydantic import AfterValidator, Field, StringConstraints

from mentorbook.markdown import render
from mentorbook.rest.schemas import Id, Input, Instant, Output, Paging, example, line, words
from mentors.tags import normalise
from tickets.forms.knowledge import QUERY_LENGTH
from tickets.models import MAX_TAGS, REASON_LENGTH, TEXT_LENGTH, TITLE_LENGTH, Reply


def _normalised(name):
    try:
        return normalise(name)
    except ValidationError as error:
        raise ValueError(" ".join(error.messages)) from error


# A tag as people write it, to look for; read in the one spelling that it has here.
TagName = Annotated[str, AfterValidator(_normalised)]
# More than fit are refused by the action, which says so in words.
Tags = Annotated[list[words(100)], Field(max_length=50)]
ClientId = Annotated[str, StringConstraints(min_length=1, max_length=100, pattern="^[ -~]+$")]
Status = Literal["open", "assigned", "resolved", "closed"]

ROW = {
    "id": 17,
    "title": "Why is this query slow?",
    "status": "assigned",
    "tags": ["django", "sql"],
    "student_id": 5,
    "assigned_mentor_id": 3,
    "is_public": True,
    "project_group_id": None,
    "created_at": "2026-11-20T09:00:00Z",
    "accepted_at": "2026-11-20T09:40:00Z",
    "first_response_at": None,
    "resolved_at": None,
    "closed_at": None,
}
FILE = {
    "name": "trace.txt",
    "content_type": "text/plain",
    "size_bytes": 1200,
    "url": "https://mentors.example.org/tickets/attachments/5f0c0f3e-5e5c-4b0e-9a55-8d5a3f5f6a01/",
}
REPLY = {
    "id": 51,
    "ticket_id": 17,
    "author_id": 3,
    "author_name": "Max Meyer",
    "kind": "reply",
    "is_internal": False,
    "is_useful": False,
    "body": "How many authors are there?",
    "body_html": "<p>How many authors are there?</p>\n",
    "client_id": "b7c1",
    "attachments": [],
    "created_at": "2026-11-20T10:00:00Z",
    "edited_at": None,
}


class AttachmentOut(Output):
    model_config = example(**FILE)

    name: str
    content_type: str
    size_bytes: int
    url: str = Field(description="The download, on the pages: for a browser that is signed in.")

    @staticmethod
    def resolve_url(attachment):
        return settings.BASE_URL + attachment.get_absolute_url()


class TicketRow(Output):
    """What a list says of a ticket: all but the texts."""

    model_config = example(**ROW)

    id: Id
    title: str
    status: Status
    tags: list[str]
    student_id: Id
    assigned_mentor_id: Id | None = Field(description="The mentor's profile, as in /api/mentors/{id}.")
    is_public: bool = Field(description="Whether others may learn from it in the knowledge base once it is solved.")
    project_group_id: Id | None = Field(description="The group whose members may read it.")
    created_at: Instant
    accepted_at: Instant | None
    first_response_at: Instant | None = Field(description="The first word of the mentor who has it now.")
    resolved_at: Instant | None
    closed_at: Instant | None

    @staticmethod
    def resolve_tags(ticket):
        return [tag.name for tag in ticket.tags.all()]

    @staticmethod
    def resolve_assigned_mentor_id(ticket):
        return ticket.mentor_id

    @staticmethod
    def resolve_project_group_id(ticket):
        return ticket.group_id

    @staticmethod
    def resolve_accepted_at(ticket):
        return ticket.assigned_at


class TicketOut(TicketRow):
    """A ticket with its question."""

    model_config = example(
        **ROW,
        description="It takes a *minute*.",
        description_html="<p>It takes a <em>minute</em>.</p>\n",
        solution_id=None,
        attachments=[FILE],
    )

    description: str = Field(description="Markdown.")
    description_html: str = Field(description="The same, rendered and safe to show.")
    solution_id: Id | None = Field(description="The reply that is the solution.")
    attachments: list[AttachmentOut]

    @staticmethod
    def resolve_description_html(ticket):
        return render(ticket.description)

    @staticmethod
    def resolve_attachments(ticket):
        return list(ticket.attachments.all())


class TicketFilters(Paging):
    model_config = example(scope="all", status="open", tag=["python"], q="slow query", ordering="-created_at")

    scope: Literal["mine", "queue", "assigned", "resolved", "all"] | None = Field(
        None,
        description="`mine`: asked by you. `queue`: those you could take, those that fit you best first. `assigned`,"
        " `resolved`: what you mentor, or as a student what you asked, in work or solved (closed included)."
        " `all`: whatever you may see. Left out: `queue` for mentors, `mine` for everybody else.",
    )
    status: Status | None = None
    tag: list[TagName] = Field([], max_length=MAX_TAGS, description="Tags or synonyms, all of which it must have.")
    q: words(QUERY_LENGTH) = Field("", description="Searches in titles, texts and tags; the best match is first.")
    ordering: Literal["created_at", "-created_at", "active_at", "-active_at"] | None = Field(
        None, description="Oldest or newest first, by when it was asked or by when anything last happened."
    )


class TicketWish(Input):
    model_config = example(
        title="Why is this query slow?", description="It takes a *minute*.", tags=["django", "sql"], is_public=True
    )

    title: line(TITLE_LENGTH, least=0)
    description: words(TEXT_LENGTH) = Field(description="Markdown.")
    tags: Tags = Field(description=f"One to {MAX_TAGS}, in any spelling. Those that are new are made.")
    is_public: bool = Field(True, description="Whether others may learn from it once it is solved.")
    project_group_id: Id | None = Field(None, description="A group of yours, whose members may read it.")


class TicketChanges(Input):
    model_config = example(title="Why is this query slow with 10,000 rows?", tags=["django", "postgresql"])

    title: line(TITLE_LENGTH, least=0) = None
    description: words(TEXT_LENGTH) = Field(None, description="Markdown.")
    tags: Tags = Field(None, description=f"All of them: one to {MAX_TAGS}.")
    is_public: bool = None
    project_group_id: Id | None = Field(None, description="Null: nobody else reads it.")


class ReleaseReason(Input):
    model_config = example(reason="I am away until Monday.")

    reason: words(REASON_LENGTH) = Field("", description="The student and the next mentor read it.")


class Solution(Input):
    model_config = example(solution="Use `prefetch_related`.")

    solution: words(TEXT_LENGTH) = Field(description="Markdown.")


class ReopenReason(Input):
    model_config = example(reason="It is still slow with 10,000 rows.")

    reason: words(REASON_LENGTH) = Field(description="What is still missing. The mentor reads it.")


class ReplyFilters(Paging):
    model_config = example(after=51, page_size=50)

    after: int = Field(0, ge=0, le=2**63 - 1, description="Only what was written after the reply with this id.")


class ReplyWish(Input):
    model_config = example(body="How many authors are there?", client_id="b7c1")

    body: words(TEXT_LENGTH) = Field(description="Markdown.")
    is_internal: bool = Field(False, description="A note of staff for staff, of which nobody else sees anything.")
    client_id: ClientId | None = Field(
        None, description="Made by you: the same of the same person in one ticket is the same reply."
    )


class ReplyOut(Output):
    model_config = example(**REPLY)

    id: Id
    ticket_id: Id
    author_id: Id
    author_name: str
    kind: Literal["reply", "solution", "note"]
    is_internal: bool
    is_useful: bool = Field(description="Shown in the article, beside the solution.")
    body: str = Field(description="Markdown.")
    body_html: str = Field(description="The same, rendered and safe to show.")
    client_id: str | None = Field(description="Of your own replies.")
    attachments: list[AttachmentOut]
    created_at: Instant
    edited_at: Instant | None

    @staticmethod
    def resolve_author_name(reply):
        return str(reply.author)

    @staticmethod
    def resolve_is_internal(reply):
        return reply.kind == Reply.Kind.NOTE

    @staticmethod
    def resolve_body(reply):
        return reply.text

    @staticmethod
    def resolve_body_html(reply):
        """Many at once are rendered together, by the list."""
        return reply.html if hasattr(reply, "html") else render(reply.text)

    @staticmethod
    def resolve_client_id(reply, context):
        return reply.client_key if reply.author_id == context["request"].user.pk else None

    @staticmethod
    def resolve_attachments(reply):
        return list(reply.attachments.all())


class ReasonOut(Output):
    """Why a mentor fits: `tags` that both have, `helped` this student before, `rating`, or time to the first
    `response`."""

    model_config = example(kind="tags", tags=["django"], rating=None, rating_count=None, minutes=None)

    kind: Literal["tags", "helped", "rating", "response"]
    tags: list[str] | None = None
    rating: float | None = None
    rating_count: int | None = None
    minutes: int | None = Field(None, description="Median, of those with at least five answers.")

    @staticmethod
    def resolve_tags(reason):
        return getattr(reason, "names", None)

    @staticmethod
    def resolve_rating(reason):
        mean = getattr(reason, "mean", None)
        return None if mean is None else round(mean, 1)

    @staticmethod
    def resolve_rating_count(reason):
        return getattr(reason, "count", None)


class FittingMentor(Output):
    model_config = example(
        mentor_id=3,
        name="Max Meyer",
        headline="Django without the fog",
        hourly_rate=50,
        score=0.62,
        reasons=[{"kind": "tags", "tags": ["django"], "rating": None, "rating_count": None, "minutes": None}],
    )

    mentor_id: Id
    name: str
    headline: str
    hourly_rate: int
    score: float = Field(description="From 0 to 1.")
    reasons: list[ReasonOut]

    @staticmethod
    def resolve_mentor_id(match):
        return match.mentor.pk

    @staticmethod
    def resolve_name(match):
        return str(match.mentor)

    @staticmethod
    def resolve_headline(match):
        return match.mentor.headline

    @staticmethod
    def resolve_hourly_rate(match):
        return match.mentor.hourly_rate_points

    @staticmethod
    def resolve_score(match):
        return round(match.score, 4)
