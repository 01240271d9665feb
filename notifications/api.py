"""What somebody was told."""

from typing import Literal

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router
from pydantic import Field

from mentorbook.rest.documented import refuses
from mentorbook.rest.schemas import EXAMPLE_TIME, Id, Input, Instant, Listed, Output, Paging, example, part_of
from notifications.actions import mark_all_read, mark_read
from notifications.models import Kind
from notifications.models import Notification as Told

notifications = Router(tags=["notifications"])


class Notification(Output):
    model_config = example(
        id=4711,
        kind="appointment_confirmed",
        title="Max Meyer confirmed your session",
        body="Tue 1 Dec, 11:00 (Europe/Madrid)",
        url="/bookings/17/",
        created_at=EXAMPLE_TIME,
        read_at=None,
    )

    id: Id
    kind: Literal[*Kind.values]
    title: str
    body: str
    url: str = Field(description="The path of the page that it is about.")
    created_at: Instant
    read_at: Instant | None


class NotificationPage(Paging):
    model_config = example(unread=True, page=1, page_size=20)

    unread: bool = Field(False, description="Only those that are not read yet.")


class ReadAll(Input):
    model_config = example(up_to=4711)

    up_to: Id | None = Field(None, description="The newest one that you have seen. Those with greater ids stay unread.")


class MarkedRead(Output):
    model_config = example(marked=3)

    marked: int = Field(description="How many were unread before.")


@notifications.get("/", response=Listed[Notification], summary="List your notifications")
@refuses()
def list_notifications(request, wish: Query[NotificationPage]):
    """What you were told, newest first, in your language and with times in your zone."""
    told = Told.objects.visible_to(request.user)
    return part_of(told.unread() if wish.unread else told, wish)


@notifications.put("/{int:notification_id}/read", response=Notification, summary="Mark a notification read")
@refuses()
def read(request, notification_id: int):
    """Says that you have seen it. A second time keeps the first time."""
    told = get_object_or_404(Told.objects.visible_to(request.user), pk=notification_id)
    mark_read(told, now=timezone.now())
    told.refresh_from_db(fields=["read_at"])
    return told


@notifications.put("/read-all", response=MarkedRead, summary="Mark all notifications read")
@refuses()
def read_all(request, wish: ReadAll = None):
    """Says that you have seen all of them, or all up to one. The body may be left out.

    Of two that are told at the same moment, the one with the smaller id may appear after the other, and is marked with
    it. Mark each by itself, by its own `…/read`, where none may be missed."""
    up_to = wish.up_to if wish else None
    return {"marked": mark_all_read(request.user, now=timezone.now(), up_to=up_to)}
