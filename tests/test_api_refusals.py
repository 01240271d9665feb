"""Both doors refuse the same, where people, groups, points, mentors and reviews are concerned: each refusal is brought
about once, and asked for on the page and by program. Sessions and questions have tables of their own, in their apps.

`REFUSALS` is the table. Where the page says no in another way, the row says how (`page_says`, `page_status`) and why;
where the page cannot even be asked, `no_page` says why not.
"""

import datetime as dt
import html
import re
import uuid
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import import_module
from pkgutil import walk_packages
from types import SimpleNamespace

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core.cache import cache
from django.test import Client
from django.urls import reverse
from django.utils import timezone

import accounts.actions
import feedback.actions
import mentors.actions
import wallets.actions
from accounts import bearer
from accounts.actions import (
    AlreadyInvited,
    AlreadyMember,
    BadToken,
    GroupDissolved,
    GroupFull,
    GroupInUse,
    InvitationOver,
    NameMissing,
    NewOwnerNotActive,
    NotMember,
    NotOwner,
    OwnAddress,
    OwnerCannotLeave,
    TooManyGroups,
    TooManyInvitations,
    TooManyMails,
    create_invitation_link,
    end_session,
    groups,
    invite_by_email,
    refresh_session,
    revoke_invitation,
    start_session,
)
from accounts.groups import invitation_token
from accounts.models import GroupInvitation, Membership, ProjectGroup, User
from accounts.signing_in import BadCode, BadCredentials, CodeNeeded, EmailNotConfirmed, EmailTaken, NotAccepted
from accounts.tests.factories import PASSWORD
from accounts.tests.group_factories import make_group
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory
from feedback.actions import AlreadyReviewed, NotClosed, NotHeld, NotOver, ReviewFinal, ReviewSeen
from feedback.models import Review
from feedback.tests.factories import ReviewFactory, held
from mentorbook.errors import NotAllowed, Refused
from mentors.actions import AlreadyMentor, LastExpertise, TooManyTags, TooMuchExpertise
from mentors.models import MentorProfile, Tag
from mentors.tests.factories import TagFactory
from notifications import actions as telling
from notifications.models import Notification, OutgoingEmail
from tests.programs import ask, refusals_in, told
from tickets.tests.factories import TicketFactory
from wallets.actions import (
    IdempotencyMismatch,
    MoreThanContributed,
    NotEnoughPoints,
    contribute_points,
    grant_points,
    hold_points,
    open_escrow,
    wallet_of_group,
)
from wallets.models import Transaction

NOW = dt.datetime(2027, 2, 1, 8, tzinfo=dt.UTC)
UNSEEN = "\x1c"  # white space for Python, and for no parser of JSON

pytestmark = pytest.mark.django_db


@dataclass(frozen=True)
class Asked:
    """The same thing at both doors: of `person`, or of a visitor."""

    person: object
    page: str | Callable  # an address, or what leads there when one page follows another
    form: dict
    body: dict | None = None
    ids: dict = field(default_factory=dict)  # what stands in the operation's path
    meanwhile: Callable | None = None  # what others do between the look at the page and the lock


# --- The table --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    operation: str
    refusal: type[Refused]
    scene: Callable
    page_says: str | None
    page_status: int
    no_page: str | None

    def __str__(self):
        return f"{self.operation}-{self.refusal.code}-{self.scene.__name__}"


REFUSALS = []


def refused(operation, refusal, *, page_says=None, page_status=None, no_page=None):
    """Put the decorated scene into the table."""

    def add(scene):
        REFUSALS.append(Row(operation, refusal, scene, page_says, page_status or refusal.status, no_page))
        return scene

    return add


# Signing up and in: allauth's pages, which answer a form that is not accepted with 422, whatever it was; they ask for
# things one after the other, and lead to the next page, where a program is told what is missing.

NEW = {"email": "nadia@example.org", "password": PASSWORD, "name": "Nadia", "timezone": "Asia/Kathmandu"}


def signing_up(**changed):
    wish = NEW | changed
    typed = {"intent": "learn", "password1": wish["password"], **wish}
    return Asked(None, reverse("account_signup"), typed, wish)


def signing_in(scene, password=PASSWORD, **more):
    form = {"login": scene.ann.email, "password": password}
    return Asked(None, reverse("account_login"), form, {"email": scene.ann.email, "password": password, **more})


@refused("POST /api/auth/signup", EmailTaken, page_status=422)
def with_the_address_of_another(scene):
    return signing_up(email="Ann@example.org")


# Where addresses are confirmed, the page tells of that by mail alone; programs are told, as the contract says.
@refused("POST /api/auth/signup", EmailTaken, page_status=200, page_says="open the mail we sent you")
def with_the_address_of_another_where_addresses_are_confirmed(scene):
    scene.settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    return signing_up(email="Ann@example.org")


@refused("POST /api/auth/signup", NotAccepted)
def with_a_short_password(scene):
    return signing_up(password="short")


@refused("POST /api/auth/signup", NotAccepted)
def with_a_password_like_the_address(scene):
    return signing_up(password=NEW["email"])


@refused("POST /api/auth/signup", NotAccepted)
def from_mars(scene):
    return signing_up(timezone="Mars/Olympus")


@refused("POST /api/auth/signup", NotAccepted)
def without_an_address(scene):
    return signing_up(email="nadia")


@refused("POST /api/auth/signin", BadCredentials, page_status=422)
def with_a_wrong_password(scene):
    return signing_in(scene, "wrong")


# With the right password the page says so; to programs the account is as if it were not there.
@refused("POST /api/auth/signin", BadCredentials, page_status=200, page_says="This account is closed")
def whose_account_is_closed(scene):
    User.objects.filter(pk=scene.ann.pk).update(is_active=False)
    return signing_in(scene)


@refused("POST /api/auth/signin", CodeNeeded, page_status=200, page_says="Type the code")
def without_the_second_factor(scene):
    TOTP.activate(scene.ann, generate_totp_secret())
    return signing_in(scene)


@refused("POST /api/auth/signin", BadCode, page_status=422)
def with_a_wrong_code(scene):
    TOTP.activate(scene.ann, generate_totp_secret())
    first = signing_in(scene, code="000000")

    def page(client, form):
        client.post(first.page, first.form)
        return client.post(reverse("mfa_authenticate"), form)

    return Asked(None, page, {"code": "000000"}, first.body)


@refused("POST /api/auth/signin", EmailNotConfirmed, page_status=200, page_says="open the mail we sent you")
def before_the_address_is_confirmed(scene):
    scene.settings.ACCOUNT_EMAIL_VERIFICATION = "mandatory"
    return signing_in(scene)


def with_token(token):
    return Asked(None, "", {}, {"refresh_token": token})


def never_given_out(scene):
    return with_token("mbr_nonsense")


def of_a_session_that_is_over(scene):
    token = start_session(scene.ann, now=timezone.now()).refresh_token
    end_session(token, now=timezone.now())
    return with_token(token)


def that_was_used(scene):
    token = start_session(scene.ann, now=timezone.now()).refresh_token
    refresh_session(token, now=timezone.now())
    return with_token(token)


NO_TOKENS = "A browser has no token, but a session."
for _scene in (never_given_out, of_a_session_that_is_over, that_was_used):
    refused("POST /api/auth/refresh", BadToken, no_page=NO_TOKENS)(_scene)
# Signing out by a token that is over changes nothing and is right; only one that never was is refused.
refused("POST /api/auth/signout", BadToken, no_page=NO_TOKENS)(never_given_out)


# Groups

GROUPS = "/api/project-groups/"
GROUP = f"{GROUPS}{{group_id}}"
INVITATIONS, MEMBER = f"{GROUP}/invitations", f"{GROUP}/members/{{user_id}}"


def of_group(scene, person, page, form=None, body=None, *, group=None, meanwhile=None, arguments=(), **ids):
    group = group or scene.group
    address = reverse(page, args=[group.pk, *arguments])
    return Asked(person, address, form or {}, body, {"group_id": group.pk, **ids}, meanwhile)


def dissolved(scene):
    return lambda: ProjectGroup.objects.filter(pk=scene.group.pk).update(dissolved_at=NOW)


def gone(scene, person):
    return lambda: Membership.objects.filter(group=scene.group, user=person).delete()


@refused(f"POST {GROUPS}", NameMissing)
def founded_without_a_name(scene):
    return Asked(scene.ann, reverse("groups:create"), {"name": UNSEEN}, {"name": UNSEEN})


@refused(f"POST {GROUPS}", TooManyGroups)
def one_group_too_many(scene):
    scene.monkeypatch.setattr(groups, "MAX_OWNED", 1)
    return Asked(scene.ann, reverse("groups:create"), {"name": "Another"}, {"name": "Another"})


def changing(scene, person, name="Other", **more):
    return of_group(scene, person, "groups:edit", {"name": name}, {"name": name}, **more)


@refused(f"PUT {GROUP}", NotOwner)
def changed_by_a_member(scene):
    return changing(scene, scene.sam)


@refused(f"PUT {GROUP}", NotOwner)
def changed_by_staff(scene):
    return changing(scene, scene.ada)


@refused(f"PUT {GROUP}", NameMissing)
def changed_to_no_name(scene):
    return changing(scene, scene.ann, UNSEEN)


@refused(f"PUT {GROUP}", GroupDissolved)
def dissolved_before_it_is_changed(scene):
    return changing(scene, scene.ann, meanwhile=dissolved(scene))


@refused(f"DELETE {GROUP}", NotOwner)
def dissolved_by_a_member(scene):
    return of_group(scene, scene.sam, "groups:dissolve")


@refused(f"DELETE {GROUP}", GroupInUse)
def dissolved_with_points(scene):
    contribute_points(scene.group, by=scene.ann, points=10)
    return of_group(scene, scene.ann, "groups:dissolve")


@refused(f"DELETE {GROUP}", GroupDissolved)
def dissolved_twice(scene):
    return of_group(scene, scene.ann, "groups:dissolve", meanwhile=dissolved(scene))


def handing_over(scene, person, **more):
    body = {"user_id": scene.sam.pk}
    return of_group(scene, person, "groups:hand_over", body=body, arguments=[scene.sam.pk], **more)


@refused(f"PUT {GROUP}/owner", NotOwner)
def taken_by_a_member(scene):
    return handing_over(scene, scene.sam)


@refused(f"PUT {GROUP}/owner", NotOwner)
def taken_by_staff_while_its_owner_is_there(scene):
    return handing_over(scene, scene.ada)


@refused(f"PUT {GROUP}/owner", NotMember)
def to_somebody_who_leaves(scene):
    return handing_over(scene, scene.ann, meanwhile=gone(scene, scene.sam))


@refused(f"PUT {GROUP}/owner", NewOwnerNotActive)
def to_somebody_whose_account_is_closed(scene):
    User.objects.filter(pk=scene.sam.pk).update(is_active=False)
    return handing_over(scene, scene.ann)


@refused(f"PUT {GROUP}/owner", GroupDissolved)
def dissolved_before_it_is_handed_over(scene):
    return handing_over(scene, scene.ann, meanwhile=dissolved(scene))


# Ways into a group


@refused(f"GET {INVITATIONS}", NotOwner, no_page="The page of a group shows them to its owner, and leaves them out.")
def invitations_read_by_a_member(scene):
    return of_group(scene, scene.sam, "groups:detail")


def by_mail(scene, person=None, email="new@example.com", **more):
    return of_group(scene, person or scene.ann, "groups:invite", {"email": email}, {"email": email}, **more)


def by_link(scene, person=None, **more):
    return of_group(scene, person or scene.ann, "groups:create_link", body={}, **more)


for _way in (by_mail, by_link):

    def _by_a_member(scene, way=_way):
        return way(scene, scene.sam)

    def _into_a_full_group(scene, way=_way):
        scene.monkeypatch.setattr(ProjectGroup, "MAX_MEMBERS", 2)
        return way(scene)

    def _as_one_of_too_many(scene, way=_way):
        scene.monkeypatch.setattr(groups, "MAX_OPEN_INVITATIONS", 1)
        create_invitation_link(scene.group, by=scene.ann, now=NOW)
        return way(scene)

    def _into_a_group_that_is_dissolved(scene, way=_way):
        return way(scene, meanwhile=dissolved(scene))

    refused(f"POST {INVITATIONS}", NotOwner)(_by_a_member)
    refused(f"POST {INVITATIONS}", GroupFull)(_into_a_full_group)
    refused(f"POST {INVITATIONS}", TooManyInvitations)(_as_one_of_too_many)
    refused(f"POST {INVITATIONS}", GroupDissolved)(_into_a_group_that_is_dissolved)


@refused(f"POST {INVITATIONS}", OwnAddress)
def inviting_oneself(scene):
    return by_mail(scene, email=scene.ann.email)


@refused(f"POST {INVITATIONS}", AlreadyInvited)
def inviting_twice(scene):
    invite_by_email(scene.group, email="new@example.com", by=scene.ann, now=NOW)
    return by_mail(scene)


@refused(f"POST {INVITATIONS}", TooManyMails)
def mailing_all_day(scene):
    scene.monkeypatch.setattr(groups, "MAX_MAILS_A_DAY", 1)
    invite_by_email(scene.group, email="other@example.com", by=scene.ann, now=NOW)
    return by_mail(scene)


def revoking(scene, person, **more):
    link = create_invitation_link(scene.group, by=scene.ann, now=NOW)
    return of_group(scene, person, "groups:revoke", arguments=[link.pk], invitation_id=link.pk, **more)


@refused(f"DELETE {INVITATIONS}/{{invitation_id}}", NotOwner)
def revoked_by_a_member(scene):
    return revoking(scene, scene.sam)


@refused(f"DELETE {INVITATIONS}/{{invitation_id}}", GroupDissolved)
def dissolved_before_it_is_revoked(scene):
    return revoking(scene, scene.ann, meanwhile=dissolved(scene))


def joining(scene, person=None, *, token=None, meanwhile=None):
    token = token or invitation_token(create_invitation_link(scene.group, by=scene.ann, now=NOW))
    page = reverse("groups:join", args=[token])
    return Asked(person or scene.max, page, {}, {"token": token}, meanwhile=meanwhile)


# For the page the token is a part of its address, and there is no such address; for programs it is something they send.
@refused(f"POST {GROUPS}join", InvitationOver, page_status=404, page_says="Not found")
def by_no_invitation(scene):
    return joining(scene, token="1.nonsense")


@refused(f"POST {GROUPS}join", InvitationOver)
def by_one_that_was_revoked(scene):
    link = create_invitation_link(scene.group, by=scene.ann, now=NOW)
    revoke_invitation(link, by=scene.ann, now=NOW)
    return joining(scene, token=invitation_token(link))


@refused(f"POST {GROUPS}join", InvitationOver)
def by_one_that_is_too_old(scene):
    days = dt.timedelta(days=GroupInvitation.VALID_DAYS)
    link = create_invitation_link(scene.group, by=scene.ann, now=NOW - days)
    return joining(scene, token=invitation_token(link))


# The page leads whoever belongs to the group to it.
@refused(f"POST {GROUPS}join", AlreadyMember, page_status=200, page_says="You belong to this group.")
def who_belongs_to_it(scene):
    return joining(scene, scene.sam)


@refused(f"POST {GROUPS}join", GroupFull)
def when_it_is_full(scene):
    asked = joining(scene)
    scene.monkeypatch.setattr(ProjectGroup, "MAX_MEMBERS", 2)
    return asked


@refused(f"POST {GROUPS}join", GroupDissolved)
def when_it_is_dissolved(scene):
    asked = joining(scene)
    dissolved(scene)()
    return asked


@refused(f"POST {GROUPS}join", NotAllowed)
def whose_account_is_closed_at_this_moment(scene):
    return joining(scene, meanwhile=lambda: User.objects.filter(pk=scene.max.pk).update(is_active=False))


# Ways out of a group


def leaving(scene, person, **more):
    return of_group(scene, person, "groups:leave", user_id=person.pk, **more)


def removing(scene, person, whom=None, **more):
    whom = whom or scene.sam
    return of_group(scene, person, "groups:remove", arguments=[whom.pk], user_id=whom.pk, **more)


@refused(f"DELETE {MEMBER}", OwnerCannotLeave)
def left_by_its_owner(scene):
    return leaving(scene, scene.ann)


@refused(f"DELETE {MEMBER}", OwnerCannotLeave)
def its_owner_removed(scene):
    return removing(scene, scene.ann, scene.ann)


@refused(f"DELETE {MEMBER}", NotMember)
def left_twice(scene):
    return leaving(scene, scene.sam, meanwhile=gone(scene, scene.sam))


@refused(f"DELETE {MEMBER}", NotMember)
def removed_twice(scene):
    return removing(scene, scene.ann, meanwhile=gone(scene, scene.sam))


@refused(f"DELETE {MEMBER}", NotOwner)
def removed_by_a_member(scene):
    return removing(scene, scene.sam, scene.ann)


@refused(f"DELETE {MEMBER}", NotOwner)
def removed_by_staff(scene):
    return removing(scene, scene.ada)


@refused(f"DELETE {MEMBER}", GroupDissolved)
def dissolved_before_somebody_leaves(scene):
    return leaving(scene, scene.sam, meanwhile=dissolved(scene))


@refused(f"DELETE {MEMBER}", GroupDissolved)
def dissolved_before_somebody_is_removed(scene):
    return removing(scene, scene.ann, meanwhile=dissolved(scene))


# Points of a group


def contributing(scene, person=None, points=10, **more):
    form = {"points": points, "form_key": uuid.uuid4()}
    return of_group(scene, person or scene.ann, "wallets:contribute", form, {"points": points}, **more)


@refused(f"POST {GROUP}/contributions", NotEnoughPoints)
def more_than_one_has(scene):
    return contributing(scene, points=1_001)


@refused(f"POST {GROUP}/contributions", NotMember)
def of_somebody_who_is_removed(scene):
    return contributing(scene, scene.sam, meanwhile=gone(scene, scene.sam))


@refused(f"POST {GROUP}/contributions", GroupDissolved)
def dissolved_before_it_is_given(scene):
    return contributing(scene, meanwhile=dissolved(scene))


def giving_back(scene, person=None, points=10, **more):
    contribute_points(scene.group, by=scene.sam, points=100)
    form = {"to": scene.sam.pk, "points": points, "form_key": uuid.uuid4()}
    body = {"user_id": scene.sam.pk, "points": points}
    return of_group(scene, person or scene.ann, "wallets:give_back", form, body, **more)


@refused(f"POST {GROUP}/returns", NotOwner)
def taken_back_by_a_member(scene):
    return giving_back(scene, scene.sam)


@refused(f"POST {GROUP}/returns", MoreThanContributed)
def more_back_than_was_given(scene):
    return giving_back(scene, points=101)


@refused(f"POST {GROUP}/returns", NotEnoughPoints)
def what_was_spent_meanwhile(scene):
    asked = giving_back(scene, points=100)
    hold_points(wallet_of_group(scene.group), open_escrow(), points=60, by=scene.ann, subject=None)
    return asked


@refused(f"POST {GROUP}/returns", GroupDissolved)
def dissolved_before_it_is_given_back(scene):
    return giving_back(scene, meanwhile=dissolved(scene))


# Mentors

PROFILE = {"bio": "", "expertise_areas": ["python"], "hourly_rate": 50}
OWN_PROFILE = "The pages for it take no id: they show one's own profile."
WHOLE_LIST = "The page sends the whole list, whose number its form and the action know: 422."


def as_mentor(scene, person, body, **ids):
    return Asked(person, "", {}, body, ids or {"mentor_id": scene.mentor.pk})


# The page leads whoever has a profile to it.
@refused("POST /api/mentors/", AlreadyMentor, page_status=200, page_says="Your mentor profile")
def a_second_profile(scene):
    return Asked(scene.max, reverse("mentors:create"), {}, PROFILE)


@refused("POST /api/mentors/", NotAllowed, no_page=OWN_PROFILE)
def a_profile_for_somebody_else(scene):
    return Asked(scene.ann, "", {}, {**PROFILE, "user_id": scene.sam.pk})


@refused("PUT /api/mentors/{mentor_id}", NotAllowed, no_page=OWN_PROFILE)
def the_profile_of_another(scene):
    return as_mentor(scene, scene.ann, {"hourly_rate": 1})


@refused("PUT /api/mentors/{mentor_id}/status", NotAllowed, no_page=OWN_PROFILE)
def the_status_of_another(scene):
    return as_mentor(scene, scene.ann, {"status": "away"})


@refused("POST /api/mentors/me/expertise", TooMuchExpertise, no_page=WHOLE_LIST)
def one_tag_too_many(scene):
    scene.monkeypatch.setattr(mentors.actions, "MAX_EXPERTISE", 1)
    scene.mentor.expertise.add(TagFactory(name="python"))
    return as_mentor(scene, scene.max, {"tag": "django"})


@refused("DELETE /api/mentors/me/expertise/{tag}", LastExpertise, no_page=WHOLE_LIST)
def the_last_tag(scene):
    scene.mentor.expertise.add(TagFactory(name="python"))
    return as_mentor(scene, scene.max, None, tag="python")


NO_BARE_TAGS = "On pages a tag is made with the question or the profile that has it."


@refused("POST /api/tags/", TooManyTags, no_page=NO_BARE_TAGS)
def tags_all_day(scene):
    scene.monkeypatch.setattr(mentors.actions, "NEW_TAGS_A_DAY", 0)
    return Asked(scene.ann, "", {}, {"name": "zig"})


# Reviews

STARS = {"rating": 4, "comment": "Clear."}


def reviewing(person, appointment):
    page = reverse("feedback:create", args=[appointment.pk])
    return Asked(person, page, STARS, STARS, {"appointment_id": appointment.pk})


def session(scene, status):
    return AppointmentFactory(mentor=scene.mentor, student=scene.ann, status=status)


@refused("POST /api/appointments/{appointment_id}/feedback", NotAllowed)
def of_a_session_of_others(scene):
    return reviewing(scene.ada, held(scene.mentor, scene.ann))


@refused("POST /api/appointments/{appointment_id}/feedback", AlreadyReviewed)
def a_second_time(scene):
    return reviewing(scene.ann, ReviewFactory(appointment=held(scene.mentor, scene.ann), waiting=True).appointment)


@refused("POST /api/appointments/{appointment_id}/feedback", NotOver)
def before_it_is_over(scene):
    return reviewing(scene.ann, session(scene, Appointment.Status.CONFIRMED))


@refused("POST /api/appointments/{appointment_id}/feedback", NotHeld)
def of_what_did_not_happen(scene):
    return reviewing(scene.ann, session(scene, Appointment.Status.CANCELLED))


@refused("POST /api/appointments/{appointment_id}/feedback", ReviewSeen)
def knowing_that_of_the_other(scene):
    review = ReviewFactory(appointment=held(scene.mentor, scene.ann), of_student=True)
    return reviewing(scene.ann, review.appointment)


def reviewing_ticket(scene, person, **fields):
    ticket = TicketFactory(student=scene.ann, mentor=scene.mentor, **fields)
    return Asked(
        person, reverse("feedback:create_for_ticket", args=[ticket.pk]), STARS, STARS, {"ticket_id": ticket.pk}
    )


@refused("POST /api/tickets/{ticket_id}/feedback", NotAllowed)
def by_the_mentor_of_the_ticket(scene):
    return reviewing_ticket(scene, scene.max, closed=True)


@refused("POST /api/tickets/{ticket_id}/feedback", AlreadyReviewed)
def a_ticket_twice(scene):
    asked = reviewing_ticket(scene, scene.ann, closed=True)
    ReviewFactory(
        appointment=None, ticket_id=asked.ids["ticket_id"], author=scene.ann, recipient=scene.max, created_at=NOW
    )
    return asked


@refused("POST /api/tickets/{ticket_id}/feedback", NotClosed)
def before_it_is_closed(scene):
    return reviewing_ticket(scene, scene.ann, resolved=True)


@refused("PUT /api/feedback/{review_id}", ReviewFinal)
def a_review_that_is_shown(scene):
    review = ReviewFactory(appointment=held(scene.mentor, scene.ann))
    return Asked(scene.ann, reverse("feedback:edit", args=[review.pk]), STARS, STARS, {"review_id": review.pk})


# --- The comparison ---------------------------------------------------------------------------------------------------


@pytest.fixture
def scene(ann, sam, ada, mentor, time_machine, monkeypatch, settings):
    """Ann owns a group to which Sam belongs; both have points. Max mentors, and Ada is staff."""
    time_machine.move_to(NOW, tick=False)
    cache.clear()  # of how often somebody tried to sign in
    for person in (ann, sam):
        grant_points(person, points=1_000)
    people = {"ann": ann, "sam": sam, "ada": ada, "mentor": mentor, "max": mentor.user}
    return SimpleNamespace(group=make_group(ann, sam), monkeypatch=monkeypatch, settings=settings, **people)


def text_of(page):
    """What somebody reads, without the tags."""
    words = re.sub(r"<[^>]+>", " ", page.content.decode())
    return re.sub(r"\s+", " ", html.unescape(words))


def by_program(asked, operation):
    method, path = operation.split(" ")
    return ask(method, path.format(**asked.ids), asked.body, by=asked.person)


def on_page(asked):
    client = Client()
    if asked.person:
        client.force_login(asked.person)
    return asked.page(client, asked.form) if callable(asked.page) else client.post(asked.page, asked.form, follow=True)


def footprint():
    """Changes with whatever a step writes; that somebody signed in counts for nothing."""
    kept = [ProjectGroup, Membership, GroupInvitation, Transaction, Review, MentorProfile, Tag]
    counted = [User, Notification, OutgoingEmail]
    return [sorted(rows.objects.values_list()) for rows in kept] + [rows.objects.count() for rows in counted]


@pytest.mark.parametrize("row", REFUSALS, ids=str)
def test_page_and_program_are_refused_alike(scene, row):
    asked = row.scene(scene)
    if asked.meanwhile:
        # Runs in the transaction that is refused, so that it is undone with it and comes as news to the other door.
        scene.monkeypatch.setattr(groups, "limit_waiting", asked.meanwhile)
    before = footprint()
    program = by_program(asked, row.operation)
    assert told(program) == (row.refusal.status, row.refusal.code), program.content
    if row.no_page is None:
        page = on_page(asked)
        assert page.status_code == row.page_status, text_of(page)
        assert re.sub(r"\s+", " ", row.page_says or program.json()["detail"]) in text_of(page)
    assert footprint() == before


def test_a_key_that_was_used_for_something_else_is_refused_at_both_doors(scene):
    """The page's key stands in its form and the action looks at it; a program's in a header, for whatever it does."""
    wish = contributing(scene)
    client = Client()
    client.force_login(scene.ann)
    assert client.post(wish.page, wish.form).status_code == 302
    page = client.post(wish.page, {**wish.form, "points": 11})
    assert page.status_code == IdempotencyMismatch.status
    assert str(IdempotencyMismatch.message) in text_of(page)
    path, key = f"{GROUPS}{scene.group.pk}/contributions", {"idempotency-key": "a key of this program"}
    assert ask("POST", path, wish.body, by=scene.ann, **key).status_code == 201
    program = ask("POST", path, {"points": 11}, by=scene.ann, **key)
    assert told(program) == (IdempotencyMismatch.status, IdempotencyMismatch.code)


# --- Nothing is forgotten ---------------------------------------------------------------------------------------------

FOR_PEOPLE = "Tokens for scripts are made on their page alone: a token that leaked makes no others."
IN_ADMIN = "A step of staff, in the admin alone."
NOT_HERE = {
    groups.AddressMissing: "Both doors ask for an address before they ask the action: 422.",
    accounts.actions.TokenNameMissing: FOR_PEOPLE,
    accounts.actions.TokenNameTaken: FOR_PEOPLE,
    accounts.actions.TooManyTokens: FOR_PEOPLE,
    bearer.ReadOnly: "Of tokens, which pages do not know: accounts/tests/test_api.py.",
    bearer.SecondFactorMissing: "Of the door itself; the pages lead staff to where they set it up: test_signin.",
    wallets.actions.IdempotencyMismatch: "It takes two requests; it has a test of its own above.",
    wallets.actions.PointsOutOfRange: "Both doors hold the number against the same bounds before they ask: 422.",
    wallets.actions.NoteMissing: IN_ADMIN,
    wallets.actions.AlreadyReversed: IN_ADMIN,
    wallets.actions.NothingHeld: "The state of a session refuses before its points do.",
    mentors.actions.UnknownStatus: "The schema knows the three, and refuses others as it does everywhere: 422.",
    mentors.actions.TagGone: IN_ADMIN,
    mentors.actions.SameTag: IN_ADMIN,
    feedback.actions.ReasonMissing: IN_ADMIN,
    telling.AlreadySent: IN_ADMIN,
}
APPS = ("accounts", "wallets", "mentors", "feedback", "notifications")


def test_every_refusal_of_these_apps_is_in_the_table_or_says_why_not():
    for app in APPS:
        for module in walk_packages(import_module(app).__path__, f"{app}."):
            if ".tests" not in module.name and ".management" not in module.name:
                import_module(module.name)
    in_table = {row.refusal for row in REFUSALS} - {NotAllowed}
    assert in_table | set(NOT_HERE) == refusals_in(*(f"{app}." for app in APPS))
    assert not in_table & set(NOT_HERE)


EVERYWHERE = {
    *("busy", "not_signed_in", "bad_token", "second_factor_missing", "read_only_token", "not_found", "invalid_input"),
    *("idempotency_mismatch", "bad_idempotency_key", "in_the_works", "too_many_requests"),
}


def codes_documented():
    """Of each operation of these apps the codes of refusals that its documentation names."""
    codes = {}
    for path, operations in ask("GET", "/api/openapi.json").json()["paths"].items():
        for method, operation in operations.items():
            if operation["operationId"].split("_")[0] in APPS:
                answers = [answer for status, answer in operation["responses"].items() if int(status) >= 400]
                named = {code for each in answers for code in each["content"]["application/json"].get("examples", {})}
                codes[f"{method.upper()} {path}"] = named - EVERYWHERE
    return codes


def test_the_documentation_of_each_operation_names_the_codes_of_the_table_and_no_others():
    in_table = defaultdict(set)
    for row in REFUSALS:
        in_table[row.operation].add(row.refusal.code)
    documented = codes_documented()
    assert set(in_table) <= set(documented)
    assert documented == {operation: in_table[operation] - EVERYWHERE for operation in documented}
