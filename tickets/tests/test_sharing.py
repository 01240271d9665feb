"""A ticket that a project group may read: who shares it, who reads it, and what nobody gets by it."""

import datetime as dt
import re

import pytest
from django.urls import reverse

from accounts.models import Membership, ProjectGroup
from accounts.tests.factories import UserFactory
from bookings.tests.factories import AppointmentFactory
from mentorbook.errors import NotAllowed
from mentors.tests.factories import MentorProfileFactory
from notifications.models import Notification
from tickets.actions import (
    NotYourGroup,
    TicketDeleted,
    add_note,
    create_ticket,
    delete_ticket,
    edit_ticket,
    reply_to_ticket,
    share_ticket,
)
from tickets.models import Attachment, Reply, Ticket
from tickets.tests.factories import AttachmentFactory, ReplyFactory, TicketFactory

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2027, 1, 11, 8, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
WORDS = {"title": "KeyError", "description": "It says so.", "tags": ["python"], "is_public": True}


def group_of(owner, *members, name="Team Tapir 🐾"):
    group = ProjectGroup.objects.create(name=name, owner=owner)
    for person in (owner, *members):
        Membership.objects.create(group=group, user=person)
    for person in (owner, *members):
        person.__dict__.pop("group_ids", None)
    return group


@pytest.fixture
def gil(db):
    """Gil is in Ann's group."""
    return UserFactory(email="gil@example.org", name="Gil Green")


@pytest.fixture
def group(ann, gil):
    return group_of(ann, gil)


@pytest.fixture
def shared(ann, group, mentor):
    return TicketFactory(student=ann, group=group, assigned=True, mentor=mentor, title="Shared words")


def anew(user):
    """As the next request would see `user`."""
    return type(user).objects.get(pk=user.pk)


def html(response):
    return re.sub(r"\s+", " ", response.content.decode())


def may_read(user, ticket):
    return Ticket.objects.visible_to(anew(user)).filter(pk=ticket.pk).exists()


# --- Sharing ----------------------------------------------------------------------------------------------------------


def test_a_question_is_shared_when_it_is_asked(ann, gil, group):
    ticket = create_ticket(ann, **WORDS, group=group, now=NOW)
    assert may_read(gil, ticket)
    assert list(ticket.events.values_list("kind", flat=True)) == ["created", "shared"]


def test_a_question_is_shared_when_it_is_changed_and_at_any_time_later(ann, gil, group, mentor):
    ticket = create_ticket(ann, **WORDS, now=NOW)
    assert not may_read(gil, ticket)
    ticket = edit_ticket(ticket, by=ann, **WORDS, group=group, now=NOW)
    assert may_read(gil, ticket)
    ticket = edit_ticket(ticket, by=ann, **WORDS, group=None, now=NOW)
    assert not may_read(gil, ticket)
    for state in ({"assigned": True}, {"resolved": True}, {"closed": True}):
        later = TicketFactory(student=ann, mentor=mentor, is_public=False, **state)
        share_ticket(later, by=ann, group=group, now=NOW)
        assert may_read(gil, later)
        share_ticket(later, by=ann, group=None, now=NOW)
        assert not may_read(gil, later)


def test_sharing_twice_writes_one_line(ann, group):
    ticket = TicketFactory(student=ann)
    for _click in range(2):
        share_ticket(ticket, by=ann, group=group, now=NOW)
    assert ticket.events.filter(kind="shared").count() == 1


def test_only_its_student_shares_it(shared, gil, max, ada, sam):
    for person in (gil, max, ada, sam):
        with pytest.raises(NotAllowed):
            share_ticket(shared, by=person, group=None, now=NOW)


def test_nothing_is_shared_with_groups_of_others_or_that_are_gone(ann, sam, group):
    ticket, foreign = TicketFactory(student=ann), group_of(sam, name="Others")
    gone = group_of(ann, name="Gone")
    ProjectGroup.objects.filter(pk=gone.pk).update(dissolved_at=NOW)
    for other in (foreign, gone):
        with pytest.raises(NotYourGroup):
            share_ticket(ticket, by=ann, group=other, now=NOW)
        with pytest.raises(NotYourGroup):
            create_ticket(ann, **WORDS, group=other, now=NOW)
        with pytest.raises(NotYourGroup):
            edit_ticket(ticket, by=ann, **WORDS, group=other, now=NOW)
    assert Ticket.objects.get().group is None


def test_whoever_left_shares_nothing_anew_and_may_stop(ann, gil):
    group = group_of(gil, ann)
    ticket = TicketFactory(student=ann, group=group)
    Membership.objects.filter(user=ann).delete()
    edit_ticket(ticket, by=ann, **WORDS, group=group, now=NOW)  # as it is
    stale = Ticket.objects.get(pk=ticket.pk)
    share_ticket(ticket, by=ann, group=None, now=NOW)
    with pytest.raises(NotYourGroup):
        edit_ticket(stale, by=ann, **WORDS, group=group, now=NOW)  # from a tab that is older than that


def test_a_deleted_question_is_shared_with_nobody(ann, gil, group):
    ticket = TicketFactory(student=ann, group=group)
    delete_ticket(ticket, by=ann, now=NOW)
    assert Ticket.objects.get().group is None
    assert not may_read(gil, ticket)
    with pytest.raises(TicketDeleted):
        share_ticket(ticket, by=ann, group=group, now=NOW)


# --- Reading ----------------------------------------------------------------------------------------------------------


def test_members_read_the_page_its_conversation_and_its_files(client, shared, gil, mentor):
    answer = ReplyFactory(ticket=shared, author=mentor.user, text="Words of Max")
    files = [AttachmentFactory(ticket=shared), AttachmentFactory(reply=answer)]
    client.force_login(gil)
    text = html(client.get(shared.get_absolute_url()))
    assert "Words of Max" in text
    assert "shares this with Team Tapir 🐾: you can read it." in text
    assert "its members may read this" in text
    assert 'id="write"' not in text
    assert "/admin/" not in text.split("<main")[1]
    for file in files:
        assert client.get(file.get_absolute_url()).status_code == 200
    news = client.get(reverse("tickets:conversation", args=[shared.pk]), headers={"HX-Request": "true"})
    assert news.status_code == 200


def test_staff_notes_stay_hidden(client, shared, gil, ada):
    note = add_note(shared, by=ada, text="Between staff", now=NOW)
    client.force_login(gil)
    assert "Between staff" not in html(client.get(shared.get_absolute_url()))
    assert not Reply.objects.visible_to(gil).filter(pk=note.pk).exists()


def test_members_do_not_write(shared, gil):
    with pytest.raises(NotAllowed):
        reply_to_ticket(shared, by=gil, text="Me too", now=NOW)


def test_who_leaves_reads_it_no_more(client, shared, gil):
    file = AttachmentFactory(ticket=shared)
    client.force_login(gil)
    assert client.get(shared.get_absolute_url()).status_code == 200
    Membership.objects.filter(user=gil).delete()
    assert client.get(shared.get_absolute_url()).status_code == 404
    assert client.get(file.get_absolute_url()).status_code == 404
    assert not Attachment.objects.visible_to(anew(gil)).exists()


def test_a_group_that_is_gone_reads_nothing(shared, gil, group):
    ProjectGroup.objects.filter(pk=group.pk).update(dissolved_at=NOW)
    assert not may_read(gil, shared)


def test_the_knowledge_base_and_the_bell_are_not_concerned(ann, gil, group, mentor):
    ticket = create_ticket(ann, **{**WORDS, "is_public": False}, group=group, now=NOW)
    assert not Ticket.objects.readable_by(anew(gil)).exists()
    assert not Notification.objects.filter(recipient=gil).exists()
    assert ticket.pk in Ticket.objects.queue_for(mentor.user).values_list("pk", flat=True)


# --- The forms --------------------------------------------------------------------------------------------------------


def typed(**fields):
    return {"title": "KeyError", "description": "It says so.", "tags": "python", **fields}


def test_the_form_offers_ones_own_groups_and_nothing_to_others(client, ann, sam, group):
    group_of(sam, name="Others")
    client.force_login(ann)
    text = html(client.get(reverse("tickets:create")))
    assert "Share with" in text
    assert "Team Tapir 🐾" in text
    assert "Others<" not in text
    client.force_login(UserFactory())
    assert "Share with" not in html(client.get(reverse("tickets:create")))


def test_asking_and_changing_by_form(client, ann, group):
    client.force_login(ann)
    client.post(reverse("tickets:create"), typed(group=group.pk))
    ticket = Ticket.objects.get()
    assert ticket.group == group
    page = html(client.get(reverse("tickets:edit", args=[ticket.pk])))
    assert f'<option value="{group.pk}" selected>' in page
    client.post(reverse("tickets:edit", args=[ticket.pk]), typed(group=""))
    assert Ticket.objects.get().group is None


def test_a_group_of_others_is_refused_by_form(client, ann, sam, group):
    foreign = group_of(sam, name="Others")
    client.force_login(ann)
    for value in (foreign.pk, "x", 2**63, "-1"):
        response = client.post(reverse("tickets:create"), typed(group=value))
        assert response.status_code == 422
        assert "Choose one of your groups, or nobody else." in html(response)
    assert not Ticket.objects.exists()


def test_sharing_and_stopping_on_the_page(client, ann, group, mentor):
    ticket = TicketFactory(student=ann, assigned=True, mentor=mentor)
    address = reverse("tickets:share", args=[ticket.pk])
    client.force_login(ann)
    assert 'id="ticket-share"' in html(client.get(ticket.get_absolute_url()))
    text = html(client.post(address, {"group": group.pk}, follow=True))
    assert "The members of Team Tapir 🐾 can read it." in text
    assert "lets a group read it" in text
    text = html(client.post(address, {"group": ""}, follow=True))
    assert "Nobody of your groups reads it any more." in text
    assert Ticket.objects.get().group is None


def test_a_wrong_group_on_the_page_is_said_beside_the_field(client, ann, sam, group):
    foreign = group_of(sam, name="Others")
    ticket = TicketFactory(student=ann)
    client.force_login(ann)
    response = client.post(reverse("tickets:share", args=[ticket.pk]), {"group": foreign.pk})
    assert response.status_code == 422
    assert "Select a valid choice" in html(response)


# --- Who may open what, all kinds of people ---------------------------------------------------------------------------

PEOPLE = ["ann", "max", "gil", "mona", "leo", "otto", "sam", "ada"]
# Ann asked, Max has it, Gil is in the group, Mona has a session about it, Leo is in no group, Otto mentors as well.
TABLE = """
page               ann max gil mona leo otto sam ada
open               200 200 200 200  404 200  404 200
taken              200 200 200 200  404 200  404 200
solved             200 200 200 200  404 404  404 200
closed             200 200 200 200  404 404  404 200
deleted            404 404 404 404  404 404  404 404
conversation       302 302 302 302  404 404  404 302
reply              422 422 403 403  404 404  404 422
edit               409 403 403 403  404 404  404 403
delete             409 403 403 403  404 404  404 403
share              302 403 403 403  404 404  404 403
publish            302 403 403 403  404 404  404 403
close              302 403 403 403  404 404  404 403
note               403 403 403 403  404 404  404 422
file               200 200 200 200  404 404  404 200
mentors            200 403 403 403  404 404  404 200
"""
POSTED = ("reply", "share", "publish", "close", "note")


@pytest.mark.parametrize("row", TABLE.split("\n")[2:-1], ids=lambda row: row.split()[0])
def test_policy(client, ann, max, mentor, sam, ada, gil, group, row):
    page, *cells = row.split()
    mona, otto = MentorProfileFactory(user__name="Mona"), MentorProfileFactory(user__name="Otto")
    leo = UserFactory(name="Leo")
    states = {"open": {}, "taken": {"assigned": True}, "closed": {"closed": True}}
    state = states.get(page, {"resolved": True})
    fields = {"student": ann, "group": group, "is_public": False, **state}
    ticket = TicketFactory(**fields, **({} if page == "open" else {"mentor": mentor}))
    AppointmentFactory(mentor=mona, student=ann, ticket=ticket)
    file = AttachmentFactory(ticket=ticket)
    if page == "deleted":
        Ticket.objects.update(status="deleted", solution=None)
    people = {"ann": ann, "max": max, "gil": gil, "mona": mona.user, "leo": leo, "otto": otto.user, "sam": sam}
    people["ada"] = ada
    got = []
    for name in PEOPLE:
        client.force_login(anew(people[name]))
        if page == "file":
            address = file.get_absolute_url()
        elif page in ("open", "taken", "solved", "closed", "deleted"):
            address = ticket.get_absolute_url()
        else:
            address = reverse(f"tickets:{page}", args=[ticket.pk])
        before = Ticket.objects.filter(pk=ticket.pk).values().get()
        response = client.post(address) if page in POSTED else client.get(address)
        Ticket.objects.filter(pk=ticket.pk).update(**before)
        got.append(str(response.status_code))
    assert dict(zip(PEOPLE, got, strict=True)) == dict(zip(PEOPLE, cells, strict=True))
