"""The secret address under which a person's calendar program reads their sessions.

The address is a random number, signed. The database keeps the number and the key is with the settings, so neither
alone leads to anybody's sessions; another number makes another address, and the old one leads nowhere from then on.
"""

import datetime as dt

from django.conf import settings
from django.core import signing
from django.db.models import F, Max
from django.db.models.functions import Coalesce
from django.urls import reverse
from django.utils.translation import gettext as _

from bookings import calendar_files
from bookings.models import Appointment, CalendarSettings

PAST = dt.timedelta(days=90)


def _signer():
    return signing.Signer(salt="bookings.feed", sep=".")


def address_of(chosen: CalendarSettings) -> str:
    """Where the feed is; "" for whoever has none."""
    if not chosen.feed_number:
        return ""
    return settings.BASE_URL + reverse("calendar:feed", args=[token_of(chosen)])


def token_of(chosen: CalendarSettings) -> str:
    return _signer().sign(chosen.feed_number)


def owner_of(token: str):
    """Whose feed the token leads to: None for one that is forged, replaced or removed, and for who cannot sign in."""
    try:
        number = _signer().unsign(token)
    except signing.BadSignature:
        return None
    with_person = CalendarSettings.objects.select_related("user__mentor_profile").exclude(feed_number="")
    chosen = with_person.filter(feed_number=number, user__is_active=True).first()
    return chosen and chosen.user


def feed_of(person, *, now) -> str:
    """The calendar of `person`: their sessions of the last 90 days and all to come. Two queries."""
    name = _("Sessions at %(site)s") % {"site": settings.SITE_NAME}
    appointments = (
        Appointment.objects.of_person(person)
        .taking_time(now)
        .filter(ends_at__gt=now - PAST)
        .annotate(changed_at=Coalesce(Max("events__created_at"), F("created_at")))
        .with_people()
        .order_by("starts_at", "id")
    )
    return calendar_files.feed_file(appointments, person, name=name)
