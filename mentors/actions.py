"""Everything that changes mentor profiles and tags."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import groupby

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from mentorbook.errors import NotAllowed, Refused
from mentorbook.locks import patiently
from mentors import retagging, search, tags
from mentors.matching import decayed
from mentors.models import MAX_EXPERTISE, MentorProfile, ProvenSkill, Tag, TagSynonym, each_language_once
from mentors.ratings import bayesian_mean
from notifications.actions import notify
from notifications.models import Kind

EDITABLE = frozenset(
    {
        "headline",
        "bio",
        "languages",
        "hourly_rate_points",
        "timezone",
        "session_minutes",
        "slot_step_minutes",
        "buffer_before_minutes",
        "buffer_after_minutes",
        "minimum_notice_minutes",
        "booking_horizon_days",
        "max_sessions_per_day",
        "max_sessions_per_week",
        "confirms_automatically",
        "cancellation_notice_hours",
        "takes_chats",
        "tickets_at_once",
        "meeting_url",
    }
)
BATCH = 500
NEW_TAGS_A_DAY = 20
DAY_SECONDS = 24 * 60 * 60


class AlreadyMentor(Refused):
    code = "already_mentor"
    message = _("You have a mentor profile already. Change that one.")


class UnknownStatus(Refused):
    code = "unknown_status"
    status = 422
    field = "status"
    message = _("Choose one of available, busy and away.")


class TooMuchExpertise(Refused):
    """The profile has as many tags as one can have. Fact: `limit`."""

    code = "too_much_expertise"
    field = "tag"
    message = _("You have named as many things as a profile takes. Take one away first.")


class LastExpertise(Refused):
    code = "last_expertise"
    message = _("Name at least one thing that you help with. Add another one first.")


class TooManyTags(Refused):
    """This person has made as many new tags as one can in a day. Fact: `retry_after_seconds`."""

    code = "too_many_tags"
    status = 429
    field = "name"
    message = _("You have made as many new tags as one person can in a day. Use those that are there, or wait.")


class TagGone(Refused):
    code = "tag_gone"
    message = _("That tag does not exist any more; somebody may have merged it just now.")


class SameTag(Refused):
    code = "same_tag"
    status = 422
    field = "into"
    message = _("A tag cannot be merged into itself. Choose another one.")


# --- Tags -------------------------------------------------------------------------------------------------------------


@transaction.atomic
def find_or_create_tags(names: Iterable[str]) -> list[Tag]:
    """The tags of these names in their order, each once; a synonym gives the tag it belongs to.

    New ones are made. Raises ValidationError for a name that cannot be a tag. The rows stay locked until the
    transaction ends, so that none can be merged away before it is used.
    """
    wanted = list(dict.fromkeys(tags.normalise(name) for name in names))
    while True:
        found = Tag.objects.by_spelling(wanted)
        missing = [name for name in wanted if name not in found]
        Tag.objects.bulk_create([Tag(name=name) for name in missing], ignore_conflicts=True)
        ids = {tag.pk for tag in found.values()}
        locked = set(_lock(Tag.objects.filter(pk__in=ids)))
        if not missing and locked == ids:
            return list(dict.fromkeys(found[name] for name in wanted))


@transaction.atomic
def add_tag(name: str, *, by, now: datetime) -> tuple[Tag, bool]:
    """The tag of this name, or the one that a synonym belongs to, and whether it is new. Raises ValidationError for a
    name that cannot be a tag.

    One person makes at most NEW_TAGS_A_DAY in each day of UTC, since nothing else holds down tags that nobody uses.
    """
    spelling = tags.normalise(name)
    if known := Tag.objects.by_spelling([spelling]):
        return known[spelling], False
    tag, is_new = Tag.objects.get_or_create(name=spelling)
    if is_new and _count_new_tag(by, now) > NEW_TAGS_A_DAY:
        raise TooManyTags(retry_after_seconds=DAY_SECONDS - int(now.timestamp()) % DAY_SECONDS)
    return tag, is_new


def _count_new_tag(by, now):
    """How many it is today. In the cache: it would take a table otherwise, and a count that is lost does no harm."""
    key = f"mentors:new-tags:{by.pk}:{int(now.timestamp()) // DAY_SECONDS}"
    cache.add(key, 0, DAY_SECONDS)
    try:
        return cache.incr(key)
    except ValueError:  # pushed out of the cache at this moment
        return 1


@patiently
@transaction.atomic
def merge_tags(source: Tag, into: Tag, *, by) -> Tag:
    """Let everything tagged `source` be tagged `into`, and `source`'s spellings find `into` from now on.

    Covers every model with tags. `source` is deleted; merging it once more raises TagGone.
    """
    _ask_staff(by)
    if source.pk == into.pk:
        raise SameTag
    if len(list(Tag.objects.select_for_update().filter(pk__in=[source.pk, into.pk]).order_by("pk"))) < 2:
        raise TagGone
    tell_followers = retagging.about_to_change([source.pk, into.pk])
    mentors = list(MentorProfile.objects.filter(expertise__in=[source, into]).values_list("pk", flat=True).distinct())
    for relation in Tag._meta.related_objects:
        if relation.many_to_many:
            field = relation.field
            _retag(
                relation.through, f"{field.m2m_reverse_field_name()}_id", f"{field.m2m_field_name()}_id", source, into
            )
    _merge_proven_skills(source, into, now=timezone.now())
    source.synonyms.update(tag=into)
    name = source.name
    Tag.objects.filter(pk=source.pk).delete()
    TagSynonym.objects.get_or_create(name=name, defaults={"tag": into})
    refresh_search_text(MentorProfile.objects.filter(pk__in=mentors))
    tell_followers()
    return into


def _retag(through, tag_column, owner_column, source, into):
    """Move the rows of one many-to-many table from `source` to `into`, without doubling any."""
    owners = list(through.objects.filter(**{tag_column: source.pk}).values_list(owner_column, flat=True))
    through.objects.bulk_create(
        [through(**{tag_column: into.pk, owner_column: owner}) for owner in owners],
        ignore_conflicts=True,
        batch_size=BATCH,
    )
    through.objects.filter(**{tag_column: source.pk}).delete()


def _merge_proven_skills(source, into, *, now):
    """Count what was solved with `source` for `into`, whose row keeps the sum of what both are worth now."""
    weights = {}
    for skill in ProvenSkill.objects.filter(tag__in=[source, into]):
        worth = decayed(skill.weight, since=skill.weighed_at, now=now)
        weights[skill.mentor_id] = weights.get(skill.mentor_id, 0) + worth
    _write_skills(ProvenSkill(mentor_id=pk, tag=into, weight=weights[pk], weighed_at=now) for pk in sorted(weights))
    ProvenSkill.objects.filter(tag=source).delete()


@patiently
@transaction.atomic
def delete_tags(doomed: Iterable[Tag], *, by) -> int:
    """Remove tags and their synonyms from the vocabulary and from everybody who had them; how many went."""
    _ask_staff(by)
    ids = [tag.pk for tag in doomed]
    tell_followers = retagging.about_to_change(ids)
    mentors = list(MentorProfile.objects.filter(expertise__in=ids).values_list("pk", flat=True).distinct())
    _, deleted = Tag.objects.filter(pk__in=ids).delete()
    refresh_search_text(MentorProfile.objects.filter(pk__in=mentors))
    tell_followers()
    return deleted.get(Tag._meta.label, 0)


# --- Profiles ---------------------------------------------------------------------------------------------------------


@transaction.atomic
def create_profile(user, *, expertise: Iterable[str] = (), now: datetime | None = None, **fields) -> MentorProfile:
    """Make `user` a mentor with these booking settings; students see it once staff approved it.

    Where the installation asks for no approval (MENTORS_NEED_APPROVAL), it is approved at once. Fields are those of
    EDITABLE; malformed values raise ValidationError. A second profile raises AlreadyMentor.
    """
    get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)
    if MentorProfile.objects.filter(user=user).exists():
        raise AlreadyMentor
    profile = MentorProfile(user=user, timezone=fields.pop("timezone", user.timezone))
    if not settings.MENTORS_NEED_APPROVAL:
        profile.approval = MentorProfile.Approval.APPROVED
        profile.approved_at = now or timezone.now()
    _assign(profile, fields)
    profile.save(force_insert=True)
    _set_expertise(profile, expertise)
    refresh_search_text(MentorProfile.objects.filter(pk=profile.pk))
    return profile


@patiently
@transaction.atomic
def update_profile(profile: MentorProfile, *, expertise: Iterable[str] | None = None, **fields) -> MentorProfile:
    """Change fields of EDITABLE, and the expertise where it is given. Returns the profile as it is now.

    Sessions booked already keep the terms they were booked on. A declined profile waits for approval again.
    """
    if expertise is not None:
        expertise = list(expertise)
        _lock_tags(profile, expertise)
    current = _locked(profile)
    _assign(current, fields)
    current.next_free_checked_at = None
    changed = [*fields, "next_free_checked_at"]
    if current.approval == MentorProfile.Approval.DECLINED:
        current.approval = MentorProfile.Approval.WAITING
        changed.append("approval")
    current.save(update_fields=changed)
    if expertise is not None:
        _set_expertise(current, expertise)
    refresh_search_text(MentorProfile.objects.filter(pk=current.pk))
    return current


@patiently
@transaction.atomic
def add_expertise(profile: MentorProfile, name: str) -> tuple[Tag, bool]:
    """Add the tag of this name, made where it is new, to what the mentor helps with; the tag, and whether it was
    added. One that the mentor has already changes nothing. As with every change, a declined profile waits again.
    """
    _lock_tags(profile, [name])
    profile = _locked(profile)
    (tag,) = find_or_create_tags([name])
    named = list(profile.expertise.all())
    if tag in named:
        return tag, False
    if len(named) >= MAX_EXPERTISE:
        raise TooMuchExpertise(limit=MAX_EXPERTISE)
    update_profile(profile, expertise=[each.name for each in [*named, tag]])
    return tag, True


@patiently
@transaction.atomic
def remove_expertise(profile: MentorProfile, name: str) -> None:
    """Take the tag of this name, or synonym, from what the mentor helps with; one that is not there changes nothing.

    The last one cannot be taken: nobody would find the mentor.
    """
    _lock_tags(profile)
    profile = _locked(profile)
    named = list(profile.expertise.all())
    found = Tag.objects.by_spelling([tags.normalise(name)])
    rest = [tag for tag in named if tag not in found.values()]
    if rest == named:
        return
    if not rest:
        raise LastExpertise
    update_profile(profile, expertise=[tag.name for tag in rest])


def _assign(profile, fields):
    if unknown := set(fields) - EDITABLE:
        raise TypeError(f"Not for editing: {', '.join(sorted(unknown))}")
    for name, value in fields.items():
        setattr(profile, name, value)
    if "session_minutes" in fields:
        profile.session_minutes = [length for length, _same in groupby(sorted(profile.session_minutes))]
    profile.clean_fields(exclude={field.name for field in profile._meta.fields} - set(fields) - {"timezone"})
    if "languages" in fields:
        profile.languages = each_language_once(profile.languages)


def _lock_tags(profile, names=()):
    """Lock those it has and those of `names`, before the profile itself: in the order of `merge_tags`, which takes the
    tags first and then everybody who has them."""
    has = MentorProfile.expertise.through.objects.filter(mentorprofile=profile.pk).values("tag")
    _lock(Tag.objects.filter(Q(pk__in=has) | Q(name__in=[tags.normalise(name) for name in names])))


def _set_expertise(profile, names):
    found = find_or_create_tags(names)
    tags.check_number(found, at_most=MAX_EXPERTISE)
    profile.expertise.set(found)


@transaction.atomic
def approve_mentor(profile: MentorProfile, *, by, now: datetime) -> MentorProfile:
    """Show the profile to students and tell the mentor. Approving an approved one changes and tells nothing."""
    _ask_staff(by)
    profile = _locked(profile)
    if profile.is_approved:
        return profile
    profile.approval = MentorProfile.Approval.APPROVED
    profile.approved_at = now
    profile.approval_note = ""
    profile.next_free_checked_at = None
    profile.save(update_fields=["approval", "approved_at", "approval_note", "next_free_checked_at"])
    notify(
        profile.user,
        kind=Kind.MENTOR_APPROVED,
        occasion=f"mentor {profile.pk} {now.isoformat()}",
        url=profile.get_absolute_url(),
        context={"mentor": profile},
    )
    return profile


@transaction.atomic
def decline_mentor(profile: MentorProfile, *, by, now: datetime, note: str = "") -> MentorProfile:
    """Do not show the profile to students (any more), and tell the mentor, with `note` as the why. Booked sessions
    stay. Declining a declined one changes and tells nothing.
    """
    _ask_staff(by)
    profile = _locked(profile)
    if profile.approval == MentorProfile.Approval.DECLINED:
        return profile
    profile.approval = MentorProfile.Approval.DECLINED
    profile.approved_at = None
    profile.approval_note = note
    profile.save(update_fields=["approval", "approved_at", "approval_note"])
    notify(
        profile.user,
        kind=Kind.MENTOR_DECLINED,
        occasion=f"mentor {profile.pk} {now.isoformat()}",
        url=reverse("mentors:edit"),
        context={"mentor": profile},
    )
    return profile


@transaction.atomic
def set_status(profile: MentorProfile, status: str) -> MentorProfile:
    """Available, busy (no chats) or away (no new bookings either). Booked sessions stay."""
    if status not in MentorProfile.Status.values:
        raise UnknownStatus
    profile = _locked(profile)
    if profile.status == status:
        return profile
    profile.status = MentorProfile.Status(status)
    profile.next_free_checked_at = None
    profile.save(update_fields=["status", "next_free_checked_at"])
    return profile


# --- Figures that the apps above keep current -------------------------------------------------------------------------


def record_rating(profile: MentorProfile, *, count: int, total: int) -> None:
    """Note that `count` reviews with `total` stars are shown, and the rank that follows. Call it under a lock on
    what was counted; the last call wins."""
    profile.rating_count, profile.rating_sum = count, total
    profile.rating_rank = bayesian_mean(count=count, total=total)
    profile.save(update_fields=["rating_count", "rating_sum", "rating_rank"])


def count_completed_session(profile: MentorProfile) -> None:
    """Add one to the sessions completed, safely beside others that do the same."""
    MentorProfile.objects.filter(pk=profile.pk).update(sessions_completed=F("sessions_completed") + 1)


def take_back_completed_session(profile: MentorProfile) -> None:
    """Count one session less, of one that was counted and is disputed now."""
    counted = MentorProfile.objects.filter(pk=profile.pk, sessions_completed__gt=0)
    counted.update(sessions_completed=F("sessions_completed") - 1)


def record_ticket_figures(
    profile: MentorProfile,
    *,
    solved: int,
    answered: int,
    first_response_minutes: int | None,
    solution_minutes: int | None,
) -> None:
    """Note how many tickets are solved, of how many the first response is known, and the two medians. Call it with
    the profile locked; the last call wins."""
    profile.tickets_solved, profile.tickets_answered = solved, answered
    profile.first_response_minutes, profile.solution_minutes = first_response_minutes, solution_minutes
    profile.save(update_fields=["tickets_solved", "tickets_answered", "first_response_minutes", "solution_minutes"])


@transaction.atomic
def prove_skills(
    profile: MentorProfile, solved: Iterable[Tag], *, now: datetime, undo: bool = False, since: datetime | None = None
) -> None:
    """Count a solved ticket with the tags `solved` for this mentor: one unit each, which fades from now on.

    With `undo`, take off what the unit of `since`, when it was counted, is worth now. Call it with the profile locked.
    """
    ids = _lock(Tag.objects.filter(pk__in=[tag.pk for tag in solved]))
    skills = {skill.tag_id: skill for skill in profile.proven_skills.filter(tag__in=ids)}
    unit = -decayed(1.0, since=since or now, now=now) if undo else 1.0
    for pk in ids:
        skill = skills.setdefault(pk, ProvenSkill(mentor=profile, tag_id=pk, weighed_at=now))
        skill.weight = max(0.0, decayed(skill.weight, since=skill.weighed_at, now=now) + unit)
        skill.weighed_at = now
    _write_skills(skills[pk] for pk in ids)


def _write_skills(skills):
    ProvenSkill.objects.bulk_create(
        [
            ProvenSkill(
                mentor_id=skill.mentor_id, tag_id=skill.tag_id, weight=skill.weight, weighed_at=skill.weighed_at
            )
            for skill in skills
        ],
        update_conflicts=True,
        unique_fields=["tag", "mentor"],
        update_fields=["weight", "weighed_at"],
        batch_size=BATCH,
    )


@transaction.atomic
def set_next_free(times: Mapping[int, datetime | None], *, now: datetime) -> None:
    """Note the next free time of each profile id, None where there is none, as seen at `now`. For order only."""
    _lock(MentorProfile.objects.filter(pk__in=times))
    MentorProfile.objects.bulk_update(
        [MentorProfile(pk=pk, next_free_at=times[pk], next_free_checked_at=now) for pk in sorted(times)],
        ["next_free_at", "next_free_checked_at"],
        batch_size=BATCH,
    )


def note_next_free(profile: MentorProfile, next_free_at: datetime | None, *, now: datetime) -> None:
    """The same for one profile."""
    MentorProfile.objects.filter(pk=profile.pk).update(next_free_at=next_free_at, next_free_checked_at=now)


@transaction.atomic
def refresh_search_text(profiles) -> int:
    """Write down again which words find these profiles; how many changed.

    Called after whatever changes name, headline, bio or expertise. Rows that were made in bulk need it too.
    """
    ids = _lock(profiles)  # first, so that what is read next includes what others have just committed
    changed = []
    rows = MentorProfile.objects.select_related("user").prefetch_related("expertise__synonyms")
    for profile in rows.filter(pk__in=ids).iterator(chunk_size=BATCH):
        expertise = profile.expertise.all()
        spellings = [tag.name for tag in expertise] + [s.name for tag in expertise for s in tag.synonyms.all()]
        text = search.search_text(profile.user.name, profile.headline, *spellings, profile.bio)
        if text != profile.search_text:
            profile.search_text = text
            changed.append(profile)
    MentorProfile.objects.bulk_update(changed, ["search_text"], batch_size=BATCH)
    return len(changed)


def _locked(profile):
    return MentorProfile.objects.select_for_update(no_key=True).get(pk=profile.pk)


def _lock(rows):
    """Lock `rows` in one order, always by id; their ids."""
    return list(rows.select_for_update(no_key=True, of=("self",)).order_by("pk").values_list("pk", flat=True))


def _ask_staff(by):
    if not by.is_staff:
        raise NotAllowed
