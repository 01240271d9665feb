"""Sessions in other calendars, other calendars here, and reminders."""

import hashlib

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db.models import Count, Q
from django.http import HttpResponse, HttpResponseNotFound
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import get_conditional_response
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from bookings import actions, feeds
from bookings.actions.calendars import EVERY
from bookings.calendar_import import describe
from bookings.forms_calendars import AddCalendarForm, ChosenCalendarForm, NoFieldsForm, RemindersForm
from bookings.models import CalendarImport, CalendarSettings
from mentorbook.refusals import refusals_on, render_form
from notifications.actions import speaking_to

FOR_MENTORS = ("add_calendar", "remove_calendar", "read_again")


@login_not_required
@require_safe
def feed(request, token):
    """A person's sessions for their calendar program, which cannot sign in: whoever has the address reads them."""
    now = timezone.now()
    person = feeds.owner_of(token)
    if person is None:
        response = HttpResponseNotFound(b"There is no calendar at this address.\n", content_type="text/plain")
        response._has_been_logged = True  # Django would write the address, a secret, into the log
    else:
        with speaking_to(person):
            body = feeds.feed_of(person, now=now).encode()
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        fresh = HttpResponse(body, content_type="text/calendar; charset=utf-8", headers={"ETag": etag})
        fresh.headers["Content-Disposition"] = 'inline; filename="sessions.ics"'
        response = get_conditional_response(request, etag=etag, response=fresh)
    response.headers["Cache-Control"] = "private, no-cache"
    response.headers["X-Robots-Tag"] = "noindex"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def calendar_settings(request):
    """One page of small forms, each of which is saved at once."""
    page = SettingsPage(request)
    name = request.POST.get("change", "")
    if name in FOR_MENTORS and page.mentor is None:
        raise PermissionDenied
    form = page.form(name, request.POST) if request.method == "POST" and name in page.changes else None
    if form is not None and form.is_valid():
        with refusals_on(form):
            messages.success(request, page.changes[name][1](form.cleaned_data))
            return redirect(reverse("bookings:calendar_settings") + page.changes[name][2])
    if request.method == "POST" and form is None:
        return redirect("bookings:calendar_settings")
    context = {"page": page, "failed": name, **page.forms(), **({name: form} if form else {})}
    return render_form(request, "bookings/calendar_settings.html", form or NoFieldsForm(), context)


def _looked_at(calendar):
    """When it was last seen to be what we have of it: read, or found to have nothing new."""
    return calendar.fetched_at and max(calendar.fetched_at, calendar.next_fetch_at - EVERY)


class SettingsPage:
    """What the page shows of one person, and what each of its small forms does: (form, what it does, where)."""

    def __init__(self, request):
        self.user = request.user
        self.now = timezone.now()
        self.mentor = getattr(request.user, "mentor_profile", None)
        self.chosen = CalendarSettings.objects.filter(user=self.user).first() or CalendarSettings(user=self.user)
        self.changes = {
            "reminders": (RemindersForm, self._choose_reminders, "#reminders"),
            "replace_feed": (NoFieldsForm, self._replace_feed, "#feed"),
            "remove_feed": (NoFieldsForm, self._remove_feed, "#feed"),
        }
        if self.mentor is not None:
            self.changes |= {
                "add_calendar": (AddCalendarForm, self._add_calendar, "#imported"),
                "remove_calendar": (ChosenCalendarForm, self._remove_calendar, "#imported"),
                "read_again": (ChosenCalendarForm, self._read_again, "#imported"),
            }

    @property
    def feed_address(self):
        return feeds.address_of(self.chosen)

    @property
    def calendars(self):
        """The mentor's imported calendars, with what is known of each."""
        coming = Count("busy_times", filter=Q(busy_times__ends_at__gt=self.now))
        rows = self.mentor.calendar_imports.annotate(busy_count=coming).order_by("id")
        return [
            (calendar, describe(calendar.error) if calendar.error else "", _looked_at(calendar)) for calendar in rows
        ]

    @property
    def most_calendars(self):
        return CalendarImport.MOST

    def form(self, name, typed=None):
        form_class = self.changes[name][0]
        more = {"auto_id": f"{name}-%s"}
        if form_class is RemindersForm:
            more["instance"] = CalendarSettings(
                remind_day_before=self.chosen.remind_day_before, remind_hour_before=self.chosen.remind_hour_before
            )
        if form_class is ChosenCalendarForm:
            more["mentor"] = self.mentor
        return form_class(typed, **more)

    def forms(self):
        return {name: self.form(name) for name in self.changes}

    def _choose_reminders(self, typed):
        actions.choose_reminders(
            self.user, day_before=typed["remind_day_before"], hour_before=typed["remind_hour_before"]
        )
        return _("Saved.")

    def _replace_feed(self, typed):
        had_one = bool(self.chosen.feed_number)
        actions.replace_feed(self.user)
        if had_one:
            return _("There is a new address; the old one leads nowhere any more.")
        return _("Here is your address. Copy it into your calendar program.")

    def _remove_feed(self, typed):
        actions.remove_feed(self.user)
        return _("The address leads nowhere any more.")

    def _add_calendar(self, typed):
        calendar = actions.add_calendar(self.mentor, url=typed["url"], name=typed["name"], now=self.now)
        return _("%(name)s is added. Its busy times are here in a minute.") % {"name": calendar.shown_name}

    def _remove_calendar(self, typed):
        actions.remove_calendar(typed["calendar"], now=self.now)
        return _("%(name)s is removed, and so are its busy times.") % {"name": typed["calendar"].shown_name}

    def _read_again(self, typed):
        actions.read_again(typed["calendar"], now=self.now)
        return _("%(name)s is read again in a minute.") % {"name": typed["calendar"].shown_name}
