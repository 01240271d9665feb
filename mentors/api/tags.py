"""The vocabulary of tags, and what of it is one's own expertise."""

from django.shortcuts import get_object_or_404
from django.utils import timezone
from ninja import Query, Router, Status

from mentorbook.rest.documented import refuses
from mentorbook.rest.schemas import Listed, Paging, part_of
from mentors.actions import LastExpertise, TooManyTags, TooMuchExpertise, add_expertise, add_tag, remove_expertise
from mentors.api.shapes import NewExpertise, NewTag, Spelling, TagFilters, TagOut
from mentors.models import MentorProfile, Tag

expertise = Router(tags=["mentors"])
tags = Router(tags=["tags"])


@tags.get("/", response=Listed[TagOut], summary="List tags")
@refuses()
def list_tags(request, wish: Query[TagFilters]):
    """All tags by name; with `q` those that it can become while somebody types, the most used first."""
    return part_of(Tag.objects.completing(wish.q) if wish.q.strip() else Tag.objects.order_by("name"), wish)


@tags.post("/", response={201: TagOut, 200: TagOut}, summary="Add a tag")
@refuses(TooManyTags)
def create_tag(request, wish: NewTag):
    """The tag in its one spelling (` Node.JS ` is `node.js`). 200 when it was there; a synonym gives the tag it belongs
    to. One person makes 20 new ones in a day (of UTC) in this way; those that were there do not count."""
    tag, is_new = add_tag(wish.name, by=request.user, now=timezone.now())
    return Status(201 if is_new else 200, tag)


# --- Own expertise ----------------------------------------------------------------------------------------------------


@expertise.get("", response=Listed[TagOut], summary="List your expertise")
@refuses()
def list_expertise(request, wish: Query[Paging]):
    """The tags of your mentor profile, by name; 404 while you have none."""
    return part_of(_own(request).expertise.order_by("name"), wish)


@expertise.post("", response={201: TagOut, 200: TagOut}, summary="Add to your expertise")
@refuses(TooMuchExpertise)
def add_to_expertise(request, wish: NewExpertise):
    """Adds a tag to your mentor profile, and makes it where it is new; a synonym adds the tag it belongs to. One that
    you have already is answered with 200 and changes nothing."""
    tag, is_added = add_expertise(_own(request), wish.tag)
    return Status(201 if is_added else 200, tag)


@expertise.delete("/{path:tag}", response={204: None}, summary="Take from your expertise")
@refuses(LastExpertise)
def take_from_expertise(request, tag: Spelling):
    """Takes a tag from your mentor profile; one that is not there changes nothing, so the second time is 204 too.
    Write it URL-encoded: `c%2B%2B`, `c%23`. The last one stays: nobody would find you."""
    remove_expertise(_own(request), tag)
    return Status(204, None)


def _own(request):
    return get_object_or_404(MentorProfile, user=request.user)
