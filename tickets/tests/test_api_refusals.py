"""What a ticket's actions refuse, both doors refuse alike: the page and the API, in the same scene."""

import html
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules
from types import SimpleNamespace

import pytest
from django.conf import settings
from django.urls import reverse

from mentorbook.errors import NotAllowed, Refused
from mentors.tests.factories import MentorProfileFactory
from tests.programs import ask, refusals_in
from tickets import actions
from tickets.actions.attachments import QuotaReached, TooManyFiles
from tickets.actions.states import WrongState
from tickets.models import Ticket, TicketEvent
from tickets.tests.factories import TicketEventFactory, TicketFactory

pytestmark = pytest.mark.django_db

QUESTION = {"title": "Why", "description": "Because", "tags": ["python"]}
UNSEEN = "\u200b"  # what nobody sees is nothing


def of_ann(scene, **fields):
    return TicketFactory(student=scene.ann, **fields)


def of_max(scene, **fields):
    """Ann's, and Max has it."""
    return of_ann(scene, mentor=scene.mentor, **{"assigned": True, **fields})


def once_of_max(scene):
    """Ann's, with somebody else; Max had it before."""
    ticket = of_ann(scene, assigned=True)
    TicketEventFactory(ticket=ticket, kind=TicketEvent.Kind.ACCEPTED, actor=scene.max, mentor=scene.mentor)
    return ticket


def as_many_as_can_wait(scene):
    tickets = [of_ann(scene) for _ in range(settings.OPEN_TICKETS_PER_STUDENT)]
    return tickets[0]


def one_in_work(scene):
    """Open, and Max, who works on one at a time, has another."""
    scene.mentor.tickets_at_once = 1
    scene.mentor.save(update_fields=["tickets_at_once"])
    TicketFactory(assigned=True, mentor=scene.mentor)
    return of_ann(scene)


@dataclass(frozen=True)
class Case:
    refusal: type[Refused]
    who: str
    scene: Callable
    step: str  # the name of the page's route, and what is sent there
    form: dict
    operation: str  # "PUT /accept": below /api/tickets/{id}
    body: dict | None = None

    def __str__(self):
        return f"{self.refusal.__name__}-{self.step}"


def asked(**changed):
    question = QUESTION | changed
    return question | {"tags": ", ".join(question["tags"])}


def case(refusal, who, scene, step, form, operation, body=None):
    return Case(refusal, who, scene, step, form, operation, body)


CASES = [
    # A new question.
    case(actions.TitleMissing, "ann", of_ann, "create", asked(title=UNSEEN), "POST new", QUESTION | {"title": UNSEEN}),
    case(
        actions.DescriptionMissing,
        "ann",
        of_ann,
        "create",
        asked(description=" \n"),
        "POST new",
        QUESTION | {"description": " \n"},
    ),
    case(actions.TagsWrong, "ann", of_ann, "create", asked(tags=[]), "POST new", QUESTION | {"tags": []}),
    case(actions.TooManyOpen, "ann", as_many_as_can_wait, "create", asked(), "POST new", QUESTION),
    # A question changed or taken back.
    case(NotAllowed, "max", of_ann, "edit", asked(), "PUT ", {"title": "Why"}),
    case(actions.NotOpen, "ann", of_max, "edit", asked(), "PUT ", {"title": "Why"}),
    case(actions.TitleMissing, "ann", of_ann, "edit", asked(title=UNSEEN), "PUT ", {"title": UNSEEN}),
    case(NotAllowed, "max", of_ann, "delete", {}, "DELETE "),
    case(actions.NotOpen, "ann", of_max, "delete", {}, "DELETE "),
    # Taken and given back.
    case(NotAllowed, "ann", of_ann, "accept", {}, "PUT /accept"),
    case(actions.OwnTicket, "max", lambda scene: TicketFactory(student=scene.max), "accept", {}, "PUT /accept"),
    case(actions.AlreadyTaken, "olga", of_max, "accept", {}, "PUT /accept"),
    case(actions.AtCapacity, "max", one_in_work, "accept", {}, "PUT /accept"),
    case(NotAllowed, "olga", of_max, "release", {}, "PUT /release", {}),
    case(actions.NoLongerYours, "max", once_of_max, "release", {}, "PUT /release", {}),
    case(actions.NotAssigned, "max", lambda s: of_max(s, resolved=True), "release", {}, "PUT /release", {}),
    # Solved, reopened, closed.
    case(NotAllowed, "olga", of_max, "resolve", {"text": "So"}, "PUT /resolve", {"solution": "So"}),
    case(actions.NoLongerYours, "max", once_of_max, "resolve", {"text": "So"}, "PUT /resolve", {"solution": "So"}),
    case(
        actions.NotAssigned,
        "max",
        lambda scene: of_max(scene, closed=True),
        "resolve",
        {"text": "So"},
        "PUT /resolve",
        {"solution": "So"},
    ),
    case(actions.SolutionMissing, "max", of_max, "resolve", {"text": UNSEEN}, "PUT /resolve", {"solution": UNSEEN}),
    case(actions.NotResolved, "ann", of_max, "reopen", {"reason": "No"}, "PUT /reopen", {"reason": "No"}),
    case(
        actions.GapMissing,
        "ann",
        lambda scene: of_max(scene, resolved=True),
        "reopen",
        {"reason": " "},
        "PUT /reopen",
        {"reason": " "},
    ),
    case(NotAllowed, "max", lambda s: of_max(s, resolved=True), "close", {}, "PUT /close"),
    case(actions.NotResolved, "ann", lambda s: of_max(s, closed=True), "close", {}, "PUT /close"),
    # Written.
    case(NotAllowed, "olga", of_max, "reply", {"text": "Hm"}, "POST /replies", {"body": "Hm"}),
    case(actions.NoLongerYours, "max", once_of_max, "reply", {"text": "Hm"}, "POST /replies", {"body": "Hm"}),
    case(
        actions.AlreadyClosed,
        "ann",
        lambda scene: of_max(scene, closed=True),
        "reply",
        {"text": "Hm"},
        "POST /replies",
        {"body": "Hm"},
    ),
    case(actions.TextMissing, "ann", of_max, "reply", {"text": " "}, "POST /replies", {"body": " "}),
    case(NotAllowed, "ann", of_max, "note", {"text": "Hm"}, "POST /replies", {"body": "Hm", "is_internal": True}),
    # Looked at.
    case(NotAllowed, "max", of_ann, "mentors", None, "GET /matches"),
    case(actions.OwnWork, "ann", lambda s: of_max(s, closed=True), "upvote", {}, "PUT article /upvote"),
    case(actions.OwnWork, "max", lambda s: of_max(s, closed=True), "bookmark", {}, "PUT article /bookmark"),
]

# Refusals of actions that no scene can show at both doors, and why.
ELSEWHERE = {
    WrongState: "is only what three of them have in common",
    actions.ReasonMissing: "is for steps of staff, in the admin; who reopens hears GapMissing",
    actions.NotAMentor: "is for staff who hand a ticket over, in the admin",
    actions.SameMentor: "is for staff who hand a ticket over, in the admin",
    actions.NotYourGroup: "the page offers the own groups alone; of the API it is tested in test_api_tickets",
    actions.TextTooLong: "the form and the schema know the lengths, and say so before",
    actions.TicketDeleted: "what is deleted is found at no door; only who was faster than a lock hears this",
    actions.NotAnArticle: "what is no article is found at no door; only who was faster than a lock hears this",
    actions.TooLateToEdit: "the API changes no replies",
    actions.NotAReply: "the API marks no replies",
    TooManyFiles: "the API takes no files",
    QuotaReached: "the API takes no files",
}


@pytest.fixture
def scene(ann, max, mentor):
    return SimpleNamespace(ann=ann, max=max, mentor=mentor, olga=MentorProfileFactory(user__name="Olga Other").user)


def at_the_page(client, person, case, ticket):
    client.force_login(person)
    namespace = "knowledge" if case.step in ("upvote", "bookmark") else "tickets"
    address = reverse(f"{namespace}:{case.step}", args=[] if case.step == "create" else [ticket.pk])
    return client.get(address) if case.form is None else client.post(address, case.form)


def at_the_api(person, case, ticket):
    method, below = case.operation.split(" ", 1)
    if below == "new":
        return ask(method, "/api/tickets/", case.body, by=person)
    app, below = ("knowledge", below.removeprefix("article ")) if below.startswith("article") else ("tickets", below)
    return ask(method, f"/api/{app}/{ticket.pk}{below}", case.body, by=person)


def as_it_is():
    return sorted(Ticket.objects.values_list()), TicketEvent.objects.count()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_page_and_the_api_refuse_alike(client, scene, case):
    ticket, person = case.scene(scene), getattr(scene, case.who)
    before = as_it_is()
    page = at_the_page(client, person, case, ticket)
    response = at_the_api(person, case, ticket)
    answer = response.json()
    assert (response.status_code, answer["code"]) == (case.refusal.status, case.refusal.code)
    assert page.status_code == response.status_code
    assert answer["detail"] in html.unescape(page.content.decode())
    assert as_it_is() == before


def test_every_refusal_of_the_actions_has_a_case_or_a_reason():
    for module in iter_modules(actions.__path__, f"{actions.__name__}."):
        import_module(module.name)
    known = refusals_in(f"{actions.__name__}.")
    tried = {case.refusal for case in CASES} - {NotAllowed}
    assert tried | set(ELSEWHERE) == known
    assert not tried & set(ELSEWHERE)
