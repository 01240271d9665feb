from dataclasses import dataclass
from datetime import UTC
from functools import cache

from django.conf import settings
from django.contrib import messages
from django.http import QueryDict
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST

from mentorbook.pages import back, paginate
from mentorbook.pieces import zone_label
from mentorbook.refusals import refusals_on, render_form
from mentors import directory
from mentors.actions import create_profile, set_status, update_profile
from mentors.amounts import until_before_start
from mentors.forms import DirectoryFilters, MentorProfileForm
from mentors.models import MentorProfile, Tag

TAGS_IN_ROW = 6


def mentor_list(request):
    now = timezone.now()
    filters = DirectoryFilters(request.GET, now=now)
    page = paginate(request, filters.rows(request.user, timezone.get_current_timezone()))
    return render(
        request,
        "mentors/mentor_list.html",
        {
            "filters": filters,
            "page": page,
            "rows": _rows(page, filters.tags, request.user, now),
            "sentence": _sentence(filters, page.paginator.count),
            "chips": _chips(filters, request.GET),
            "orders": _orders(filters, request.GET),
            "popular_tags": [] if filters.tags or filters.unknown_tags else directory.popular_tags(),
        },
    )


def tag_options(request):
    """Tags that complete the last of those typed, as options that hold what was typed before it too."""
    typed = (request.GET.getlist("tag") or request.GET.getlist("expertise") or [""])[-1]
    before, comma, last = typed.rpartition(",")
    options = [f"{before.strip()}{comma} {tag}".strip() for tag in Tag.objects.completing(last)[:8]]
    return render(request, "mentors/_tag_options.html", {"options": options})


def mentor_detail(request, pk):
    mentors = MentorProfile.objects.visible_to(request.user).select_related("user").prefetch_related("expertise")
    mentor = get_object_or_404(mentors, pk=pk)
    return render(
        request,
        "mentors/mentor_detail.html",
        {
            "mentor": mentor,
            "is_own": mentor.user_id == request.user.pk,
            "cancellation_deadline": until_before_start(mentor.cancellation_notice_hours),
            "late_refund_percent": settings.LATE_REFUND_PERCENT,
            "hours_zone": zone_label(mentor.timezone),
        },
    )


def create(request):
    if MentorProfile.objects.filter(user=request.user).exists():
        return redirect("mentors:edit")
    new = MentorProfile(user=request.user, timezone=request.user.timezone)
    form = MentorProfileForm(request.POST if request.method == "POST" else None, instance=new)
    if form.is_valid():
        with refusals_on(form):
            profile = create_profile(request.user, **form.cleaned_data)
            messages.success(request, _("Your mentor profile is saved."))
            return redirect(profile)
    return render_form(
        request, "mentors/mentor_form.html", form, {"is_new": True, "needs_approval": settings.MENTORS_NEED_APPROVAL}
    )


def edit(request):
    profile = MentorProfile.objects.filter(user=request.user).first()
    if profile is None:
        return redirect("mentors:create")
    was_declined = profile.approval == MentorProfile.Approval.DECLINED
    form = MentorProfileForm(request.POST if request.method == "POST" else None, instance=profile)
    if form.is_valid():
        with refusals_on(form):
            profile = update_profile(profile, **form.cleaned_data)
            messages.success(
                request,
                _("Your mentor profile is changed; staff look at it again.")
                if was_declined
                else _("Your mentor profile is changed. Sessions booked already keep their terms."),
            )
            return redirect(profile)
    return render_form(request, "mentors/mentor_form.html", form, {"profile": profile, "was_declined": was_declined})


@require_POST
def change_status(request):
    profile = get_object_or_404(MentorProfile, user=request.user)
    profile = set_status(profile, request.POST.get("status", ""))
    if request.htmx:
        return render(request, "mentors/_status_switch.html", {"mentor": profile})
    return back(request, profile)


# --- The directory's parts --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    mentor: MentorProfile
    matching_tags: list
    other_tags: list  # of (tag, its address)
    more_tag_count: int
    first_free_at: object
    choose_url: str
    is_self: bool


def _rows(page, chosen, viewer, now):
    mentors = list(page)
    first_free = directory.free_times().first_free(mentors, now, viewer)
    address = cache(Tag.get_absolute_url)  # the same few tags stand in many rows
    rows = []
    for mentor in mentors:
        expertise = list(mentor.expertise.all())
        matching = [tag for tag in chosen if tag in expertise]
        others = [tag for tag in expertise if tag not in chosen]
        shown = others[: max(0, TAGS_IN_ROW - len(matching))]
        start = first_free.get(mentor.pk)
        query = {"start": start.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")} if start else None
        rows.append(
            Row(
                mentor=mentor,
                matching_tags=matching,
                other_tags=[(tag, address(tag)) for tag in shown],
                more_tag_count=len(others) - len(shown),
                first_free_at=start,
                choose_url=reverse("bookings:choose", args=[mentor.pk], query=query),
                is_self=mentor.user_id == viewer.pk,
            )
        )
    return rows


def _address(query, **changes):
    """The directory's address with these filters changed, on its first page; None or [] takes a filter away."""
    changed = QueryDict(mutable=True)
    for name in DirectoryFilters.base_fields:
        values = changes.get(name, query.getlist(name)) or []
        changed.setlist(name, [value for value in values if value])
    return f"?{changed.urlencode()}"


def _chips(filters, query):
    """What was chosen, in words, each with the address of the list without it."""
    chips = []
    names = [tag.name for tag in filters.tags] + filters.unknown_tags
    if text := filters.value("q"):
        chips.append((f"“{text}”", _address(query, q=None)))
    chips += [(name, _address(query, tag=[other for other in names if other != name])) for name in names]
    if (points := filters.value("max_rate")) is not None:
        chips.append((_("at most %(points)d points an hour") % {"points": points}, _address(query, max_rate=None)))
    if tenths := filters.value("min_rating"):
        chips.append((_("%(rating)s ★ or better") % {"rating": f"{tenths / 10:g}"}, _address(query, min_rating=None)))
    if status := filters.value("status"):
        chips.append((MentorProfile.Status(status).label, _address(query, status=None)))
    if day := filters.value("free_on"):
        chips.append((_("free on %(day)s") % {"day": date_format(day, "D j M")}, _address(query, free_on=None)))
    return chips


def _sentence(filters, count):
    """What the list is, as one sentence: 12 mentors for **django**, cheapest first."""
    if filters.unknown_tags:
        return format_html(_("Nobody here knows the tag {tag} yet."), tag=_strong(filters.unknown_tags[0]))
    if filters.tags:
        *firsts, names = [_strong(tag) for tag in filters.tags]
        if firsts:
            listed = format_html_join(", ", "{}", ([name] for name in firsts))
            names = format_html(_("{listed} and {last}"), listed=listed, last=names)
        words = ngettext("{count} mentor for {tags}", "{count} mentors for {tags}", count)
        mentors = format_html(words, count=count, tags=names)
    else:
        mentors = format_html(ngettext("{count} mentor", "{count} mentors", count), count=count)
    if count < 2:
        return mentors
    order = {"rating": _("best rated first"), "rate": _("cheapest first"), "next_free": _("soonest free first")}
    return format_html(_("{mentors}, {order}"), mentors=mentors, order=order[filters.chosen_order])


def _strong(text):
    return format_html("<strong>{}</strong>", text)


def _orders(filters, query):
    labels = [("rating", _("Best rated")), ("rate", _("Cheapest")), ("next_free", _("Soonest free"))]
    return [(label, _address(query, order=[order]), order == filters.chosen_order) for order, label in labels]
