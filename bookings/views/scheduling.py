"""Find me a time: the best mentors and times for what somebody looks for, each a click away."""

import datetime as dt
import uuid
from dataclasses import dataclass

from django.conf import settings
from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.http import urlencode
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from bookings.actions import AllTaken, PayFrom, book_best
from bookings.clashes import clash_in_words, clashes
from bookings.forms_scheduling import BookBestForm, WantedForm
from bookings.models import Appointment
from bookings.scheduling import Pair, best_pairs, what_to_loosen
from bookings.timetable import address_of
from mentorbook.pieces import duration, span
from mentorbook.refusals import form_status, refusals_on


@require_http_methods(["GET", "HEAD", "POST"])
def find(request):
    now = timezone.now()
    wish = WantedForm(request.GET, student=request.user, now=now)
    wanted = wish.wanted if wish.is_valid() else None
    form = _booking_form(request, wish)
    if wanted and form.is_bound and form.is_valid():
        with refusals_on(form):
            choice = form.cleaned_data.pop("choice")
            appointment = book_best(wanted, student=request.user, chosen=choice, now=now, **form.cleaned_data)
            _tell_outcome(request, appointment, choice)
            return redirect(appointment)
    pairs = _pairs(wanted, form, request.user, now)
    context = {
        "wish": wish,
        "wanted": wanted,
        "form": form,
        "summary": _summary(wish) if wanted else "",
        "pinned": _pinned(request, wish) if wanted else "",
        "rows": _rows(pairs, wanted, wish.balance_points, request.user, now) if pairs else [],
        "late_refund_percent": settings.LATE_REFUND_PERCENT,
        "loosened": _loosened(wish, request, now) if wanted and not pairs else [],
    }
    status = form_status(form) if wanted or not wish.is_bound else 422
    return render(request, "bookings/find.html", context, status=status)


def _booking_form(request, wish):
    """Bound to what was picked; or new, with a title to begin with, and a key so that a double click books once."""
    if request.method == "POST":
        return BookBestForm(request.POST)
    return BookBestForm(initial={"title": wish.usual_title, "idempotency_key": uuid.uuid4()})


def _pinned(request, wish):
    """The address that books: with the wallet that the page names, also if the usual one is another by then."""
    if not wish.wanted.group or request.GET.get("pay_from"):
        return request.get_full_path()
    query = request.GET.copy()
    query["pay_from"] = PayFrom.GROUP if wish.payer else PayFrom.WALLET
    return f"{request.path}?{query.urlencode()}"


def _pairs(wanted, form, student, now):
    refusal = getattr(form, "refusal", None)
    if isinstance(refusal, AllTaken):
        return refusal.pairs
    return best_pairs(wanted, student=student, now=now) if wanted else []


def _tell_outcome(request, appointment, choice):
    """What was booked, and that it is another time than the one picked where somebody was faster."""
    words = {
        "name": appointment.mentor.user.get_short_name(),
        "time": span(appointment.starts_at),
        "points": appointment.price_points,
    }
    is_confirmed = appointment.status == Appointment.Status.CONFIRMED
    if (appointment.mentor_id, appointment.starts_at) != (choice.mentor_id, choice.starts_at):
        outcome = (
            _("Somebody was faster, so the next on the list is booked: %(name)s, %(time)s, for %(points)s points.")
            if is_confirmed
            else _("Somebody was faster, so the next on the list is asked: %(name)s, %(time)s, for %(points)s points.")
        )
        messages.warning(request, outcome % words)
    else:
        outcome = _("Booked. You meet %(name)s.") if is_confirmed else _("Asked. %(name)s has been told.")
        messages.success(request, outcome % words)


# --- What the page shows of a pair ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Time:
    """A time as a button; `cancelling` says until when it can be cancelled for free."""

    starts_at: dt.datetime
    value: str
    label: str
    cancel_free_until: dt.datetime
    can_be_cancelled_free: bool
    clashes: list[str]


@dataclass(frozen=True)
class Row:
    pair: Pair
    time: Time
    more: list[Time]
    missing_points: int
    is_earliest: bool
    is_cheapest: bool


def _rows(pairs, wanted, balance_points, student, now):
    length = dt.timedelta(minutes=wanted.duration_minutes)
    starts = [start for pair in pairs for start in (pair.starts_at, *pair.more)]
    spans = [(start, start + length) for start in starts]
    elsewhere = clashes(wanted.group, spans, booked_by=student, now=now) if wanted.group else []
    earliest = min(pair.starts_at for pair in pairs)
    prices = {pair.price_points for pair in pairs}

    def time(pair, starts_at):
        free_until = pair.cancel_free_until(starts_at)
        return Time(
            starts_at=starts_at,
            value=f"{pair.mentor.pk}@{address_of(starts_at)}@{pair.price_points}",
            label=_button_label(pair, starts_at),
            cancel_free_until=free_until,
            can_be_cancelled_free=free_until > now,
            clashes=[
                clash_in_words(clash, starts_at, student)
                for clash in elsewhere
                if clash.starts_at < starts_at + length and clash.ends_at > starts_at
            ],
        )

    return [
        Row(
            pair=pair,
            time=time(pair, pair.starts_at),
            more=[time(pair, start) for start in pair.more],
            missing_points=max(0, pair.price_points - balance_points),
            is_earliest=len(pairs) > 1 and pair.starts_at == earliest,
            is_cheapest=len(prices) > 1 and pair.price_points == min(prices),
        )
        for pair in pairs
    ]


def _button_label(pair, starts_at):
    """The verb, the time and what it costs."""
    words = {"time": span(starts_at), "points": pair.price_points}
    if pair.mentor.confirms_automatically:
        if not pair.price_points:
            return _("Book %(time)s, free of charge") % words
        return (
            ngettext("Book %(time)s for %(points)s point", "Book %(time)s for %(points)s points", pair.price_points)
            % words
        )
    if not pair.price_points:
        return _("Request %(time)s, free of charge") % words
    return (
        ngettext("Request %(time)s for %(points)s point", "Request %(time)s for %(points)s points", pair.price_points)
        % words
    )


def _summary(wish):
    """The wish in a line."""
    wanted = wish.wanted
    days = (
        _day(wanted.first)
        if wanted.first == wanted.last
        else _("%(first)s to %(last)s") % {"first": _day(wanted.first), "last": _day(wanted.last)}
    )
    parts = [", ".join(tag.name for tag in wanted.tags), duration(wanted.duration_minutes), days]
    if wanted.has_hours:
        hours = {"from": _clock(wanted.from_minute), "to": _clock(wanted.to_minute)}
        parts.append(_("%(from)s–%(to)s") % hours)
    parts.append(
        ngettext("at most %(points)s point", "at most %(points)s points", wanted.highest_price_points)
        % {"points": wanted.highest_price_points}
    )
    if wanted.group:
        parts.append(_("for %(group)s") % {"group": wanted.group})
        parts.append(_("from the group's wallet") if wish.payer else _("from your own points"))
    return " · ".join(part for part in parts if part)


def _day(date):
    return date_format(date, "D j M")


def _clock(minute):
    return f"{minute // 60:02d}:{minute % 60:02d}"


# --- Nothing was found ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Suggestion:
    label: str
    mentors: int
    address: str


def _loosened(wish, request, now):
    """Which filter stands in the way, as links to the same wish with that one loosened. Not to what cannot be paid."""
    return [
        Suggestion(_in_words(one), one.mentors, _address(request.GET, one))
        for one in what_to_loosen(wish.wanted, student=request.user, now=now)
        if one.kind != "price" or one.value <= wish.balance_points
    ]


def _in_words(loosened):
    if loosened.kind == "tags":
        return _("Whatever they know")
    if loosened.kind == "hours":
        return _("At any hour")
    if loosened.kind == "dates":
        return _("On other days, from %(day)s on") % {"day": _day(timezone.localtime(loosened.value).date())}
    if loosened.kind == "price":
        return _("For %(points)s points or more") % {"points": loosened.value}
    return _("For %(duration)s") % {"duration": duration(loosened.value)}


def _address(query, loosened):
    values = {name: query[name] for name in WantedForm.base_fields if query.get(name)}
    if loosened.kind == "tags":
        values["tag"] = ""  # not left out: a question would bring its tags again
    elif loosened.kind == "hours":
        values.pop("earliest", None)
        values.pop("latest", None)
    elif loosened.kind == "dates":
        values["first"] = timezone.localtime(loosened.value).date().isoformat()
        values.pop("last", None)
    elif loosened.kind == "price":
        values["price"] = loosened.value
    else:
        values["duration"] = loosened.value
    return f"?{urlencode(values)}"
