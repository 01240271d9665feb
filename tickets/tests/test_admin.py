"""Staff and tickets: everything to look at, nothing to change but through the actions."""

import pytest
from django.urls import reverse

from mentors.tests.factories import MentorProfileFactory
from notifications.models import Notification
from tickets.models import Reply, Ticket, TicketEvent
from tickets.tests.factories import (
    AttachmentFactory,
    BookmarkFactory,
    DraftFactory,
    ReplyFactory,
    TicketEventFactory,
    TicketFactory,
    UpvoteFactory,
)


@pytest.fixture
def console(client, ada):
    client.force_login(ada)
    return client


def change_page(row):
    return reverse(f"admin:tickets_{row._meta.model_name}_change", args=[row.pk])


def test_every_kind_of_row_has_its_pages(console, ann):
    ticket = TicketFactory(closed=True, student=ann, title="Ünïcode 🦄 and <b>")
    rows = [
        ticket,
        ReplyFactory(ticket=ticket),
        AttachmentFactory(ticket=ticket),
        DraftFactory(student=ann, description="nobody's business"),
        UpvoteFactory(ticket=ticket),
        BookmarkFactory(ticket=ticket),
    ]
    TicketEventFactory(ticket=ticket, actor=None)
    for row in rows:
        listed = console.get(reverse(f"admin:tickets_{row._meta.model_name}_changelist"), {"q": "x"})
        assert listed.status_code == 200
        assert console.get(reverse(f"admin:tickets_{row._meta.model_name}_changelist")).status_code == 200
        shown = console.get(change_page(row)).content.decode()
        assert "<b>" not in shown.replace("<body", "").replace("<br", "")
        assert "nobody's business" not in shown
        assert "nobody&#x27;s business" not in shown


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_takes_one_number_of_queries(console, count, django_assert_max_num_queries):
    for _ in range(count):
        TicketFactory(closed=True)
    with django_assert_max_num_queries(9):
        page = console.get(reverse("admin:tickets_ticket_changelist")).content.decode()
    assert page.count('class="field-title"') == count


@pytest.mark.parametrize(("choice", "found"), [("yes", "Open to all"), ("hidden", "Hidden"), ("private", "Private")])
def test_articles_are_filtered(console, ada, choice, found):
    titles = ["Open to all", "Hidden", "Private", "Unsolved"]
    TicketFactory(resolved=True, title=titles[0])
    TicketFactory(closed=True, title=titles[1], hidden_at="2026-01-01T00:00Z", hidden_by=ada)
    TicketFactory(closed=True, title=titles[2], is_public=False)
    TicketFactory(title=titles[3])
    page = console.get(reverse("admin:tickets_ticket_changelist"), {"article": choice}).content.decode()
    assert [title for title in titles if f">{title}</a>" in page] == [found]


def test_staff_hide_articles_with_a_reason_and_show_them_again(console):
    article, unsolved = TicketFactory(closed=True), TicketFactory()

    def act(action, reason, *tickets):
        fields = {"action": action, "reason": reason, "_selected_action": [ticket.pk for ticket in tickets]}
        return console.post(reverse("admin:tickets_ticket_changelist"), fields, follow=True).content.decode()

    assert "1 ticket changed" not in act("hide", "", article)
    assert Ticket.objects.articles().get() == article
    act("hide", "names a person", article, unsolved)
    assert not Ticket.objects.articles().exists()
    article.refresh_from_db()
    assert article.hidden_reason == "names a person"
    assert "1 ticket changed." in act("show", "looked at again", article)
    assert Ticket.objects.articles().get() == article
    assert list(article.events.values_list("kind", flat=True)) == ["hidden", "shown"]


def test_staff_hand_a_ticket_to_another_mentor(console, ada, ann, mentor):
    ticket = TicketFactory(assigned=True, student=ann, mentor=mentor, tags=["python", "django"])
    other = MentorProfileFactory(user__name="Olga Other", expertise=["django"])
    MentorProfileFactory(user__name="Nobody Fitting", expertise=["latex"])
    page = reverse("admin:tickets_ticket_reassign", args=[ticket.pk])
    assert page in console.get(change_page(ticket)).content.decode()
    shown = console.get(page).content.decode()
    assert "Olga Other" in shown
    assert "Nobody Fitting" not in shown
    refused = console.post(page, {"to": mentor.pk, "reason": "Kept 🦄"})
    assert refused.status_code == 422
    assert "Choose a mentor from the list." in refused.content.decode()
    assert "Kept 🦄" in refused.content.decode()
    assert console.post(page, {"to": other.pk, "reason": "Max is ill"}).url == change_page(ticket)
    ticket.refresh_from_db()
    assert (ticket.mentor, ticket.status) == (other, Ticket.Status.ASSIGNED)
    assert ticket.events.get().kind == TicketEvent.Kind.REASSIGNED
    assert Notification.objects.filter(recipient=other.user, kind="ticket_assigned").count() == 1


def test_only_tickets_in_work_are_handed_over(console, ann):
    for state in ({"resolved": True}, {"closed": True}, {"deleted": True}):
        ticket = TicketFactory(student=ann, **state)
        page = reverse("admin:tickets_ticket_reassign", args=[ticket.pk])
        assert console.get(page).status_code == 404
        assert page not in console.get(change_page(ticket)).content.decode()
    assert console.get(reverse("admin:tickets_ticket_reassign", args=[2**62])).status_code == 404


def test_rows_are_read_only_and_acting_needs_the_right(client, ada, ann):
    ticket = TicketFactory(assigned=True)
    client.force_login(ada)
    assert client.post(change_page(ticket), {"title": "Changed"}).status_code == 403
    assert client.post(reverse("admin:tickets_ticket_delete", args=[ticket.pk])).status_code == 403
    ann.is_staff = True
    ann.save(update_fields=["is_staff"])
    client.force_login(ann)
    assert client.get(reverse("admin:tickets_ticket_reassign", args=[ticket.pk])).status_code == 403
    assert client.get(reverse("admin:tickets_ticket_changelist")).status_code == 403
    assert Reply.objects.count() == 0
