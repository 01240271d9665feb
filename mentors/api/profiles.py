"""Finding mentors, and their profiles."""

from django.contrib.auth import get_user_model
from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Status

from mentorbook.errors import NotAllowed
from mentorbook.rest.documented import refuses
from mentorbook.rest.schemas import Listed, part_of
from mentors import directory
from mentors.actions import AlreadyMentor, create_profile, set_status, update_profile
from mentors.api.shapes import (
    ORDERS,
    FoundMentor,
    Mentor,
    MentorChanges,
    MentorFigures,
    MentorFilters,
    NewMentor,
    StatusChange,
)
from mentors.models import MentorProfile, Tag

mentors = Router(tags=["mentors"])

# What a profile's fields are called in the actions, where that is not the name they have here.
NAMES = {"hourly_rate": "hourly_rate_points", "expertise_areas": "expertise"}


@mentors.get("/", response=Listed[FoundMentor], summary="Find mentors")
@refuses()
def list_mentors(request, wish: Query[MentorFilters]):
    """The mentors whom every filter lets through, as in the directory. A tag that nobody has heard of finds nobody."""
    now = timezone.now()
    page = part_of(_wished(request, wish, now), wish)
    first_free = directory.free_times().first_free(page["items"], now, request.user)
    for mentor in page["items"]:
        mentor.next_free_at = first_free.get(mentor.pk)  # for whoever asks; the column is for ordering only
    return page


def _wished(request, wish, now):
    known = Tag.objects.by_spelling(wish.expertise) if wish.expertise else {}
    if len(known) < len(set(wish.expertise)):
        return []
    return directory.find_mentors(
        query=wish.q,
        tags=list(dict.fromkeys(known[name] for name in wish.expertise)),
        max_rate_points=wish.max_rate,
        min_rating_tenths=int(wish.min_rating * 10) if wish.min_rating is not None else None,
        status=wish.status,
        free_on=wish.available_on,
        order=ORDERS[wish.ordering],
        viewer=request.user,
        viewer_zone=timezone.get_current_timezone(),
        now=now,
    )


@mentors.post("/", response={201: Mentor}, summary="Become a mentor")
@refuses(NotAllowed, AlreadyMentor)
def create_mentor(request, wish: NewMentor):
    """Makes your mentor profile. Where the installation asks for approval, students see it once staff have approved
    it. Staff who may add profiles can send the `user_id` of anyone. Tags that are new are made."""
    user, fields = request.user, wish.given()
    user_id = fields.pop("user_id", None)
    if user_id not in (None, user.pk):
        if not user.has_perm("mentors.add_mentorprofile"):
            raise NotAllowed
        user = get_object_or_404(get_user_model(), pk=user_id)
    return Status(201, create_profile(user, now=timezone.now(), **_as_fields(fields)))


@mentors.get("/{int:mentor_id}", response=Mentor, summary="Read a mentor's profile")
@refuses()
def read_mentor(request, mentor_id: int):
    """The profile with its terms. One that is not approved is seen by its mentor and staff only."""
    return _visible(request, mentor_id)


@mentors.put("/{int:mentor_id}", response=Mentor, summary="Change a mentor's profile")
@refuses(NotAllowed)
def change_mentor(request, mentor_id: int, changes: MentorChanges):
    """Changes the fields that are sent, and no others. For the mentor, and staff who may change profiles. Booked
    sessions keep the terms they were booked on; a declined profile waits for approval again."""
    mentor = _changeable(request, mentor_id)
    return update_profile(mentor, **_as_fields(changes.given()))


@mentors.put("/{int:mentor_id}/status", response=Mentor, summary="Change a mentor's status")
@refuses(NotAllowed)
def change_status(request, mentor_id: int, wish: StatusChange):
    """Available, busy (no chats) or away (no new bookings either). For the mentor, and staff who may change
    profiles. Booked sessions stay."""
    return set_status(_changeable(request, mentor_id), wish.status)


@mentors.get("/{int:mentor_id}/stats", response=MentorFigures, summary="Read a mentor's figures")
@refuses()
def read_stats(request, mentor_id: int):
    """What the profile page counts: reviews, sessions, tickets, and how long answers usually take."""
    return _visible(request, mentor_id)


def _visible(request, mentor_id):
    rows = MentorProfile.objects.visible_to(request.user).select_related("user")
    return get_object_or_404(rows, pk=mentor_id)


def _changeable(request, mentor_id):
    mentor = _visible(request, mentor_id)
    if not mentor.can_be_changed_by(request.user):
        raise NotAllowed
    return mentor


def _as_fields(given):
    return {NAMES.get(name, name): value for name, value in given.items()}
