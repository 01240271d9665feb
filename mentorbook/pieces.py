"""The pieces of which every page is made, as template tags that need no `{% load %}`."""

import datetime as dt
from functools import lru_cache

from django import template
from django.conf import settings
from django.contrib.humanize.templatetags.humanize import intcomma, naturaltime
from django.template.defaultfilters import floatformat
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext, pgettext
from lucide.templatetags.lucide import lucide

from mentorbook import markdown as markdown_text

register = template.Library()

AVATAR_TINTS = 8


@register.simple_tag
def site_name():
    return settings.SITE_NAME


@lru_cache(maxsize=512)
def draw(name, size):
    return lucide(name, size=size, **{"class": "icon", "aria-hidden": "true", "focusable": "false"})


@register.simple_tag
def icon(name, size=20):
    """An icon of the Lucide set in the colour of the text. It decorates: the words beside it carry the meaning."""
    return draw(str(name), size)


# Pieces that stand within a sentence are made here and not in a template, whose last line break would show.

COIN = format_html(
    '<svg class="coin" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">'
    '<circle cx="8" cy="8" r="7" fill="currentColor" fill-opacity=".2" stroke="currentColor" stroke-width="1.5" />'
    '<path d="m8 4.4 1.1 2.4 2.6.3-1.9 1.8.5 2.6L8 10.2l-2.3 1.3.5-2.6-1.9-1.8 2.6-.3z" fill="currentColor" />'
    "</svg>{}",
    "",
)


@register.simple_tag
def points(amount):
    """An amount of points: coin, number, unit. The same everywhere."""
    return format_html(
        '<span class="points">{}<span class="points-number">{}</span> <span class="points-unit">{}</span></span>',
        COIN,
        intcomma(amount),
        ngettext("point", "points", abs(amount)),
    )


def initials(name):
    """At most two letters for a person: of the first and the last word of the name."""
    words = [word for word in str(name).replace("@", " ").split() if word[0].isalnum()] or ["?"]
    return "".join(word[0] for word in (words[0], *words[1:][-1:])).upper()


@register.simple_tag
def avatar(user, size="md"):
    """The person's initials in a tint that stays theirs. Sizes: sm, md, lg, xl. The name belongs beside it."""
    return format_html(
        '<span class="avatar avatar-{} avatar-tint-{}" aria-hidden="true">{}</span>',
        size,
        (user.pk or 0) % AVATAR_TINTS + 1,
        initials(user),
    )


@register.inclusion_tag("partials/person.html")
def person(user, fact="", url="", size="md"):
    """A person in one line: avatar, name (a link where `url` is given) and one quiet fact."""
    return {"person": user, "fact": fact, "url": url, "size": size}


@register.simple_tag
def tag_chip(tag, url=""):
    """A tag of the vocabulary; a click finds the mentors who have it."""
    return format_html('<a class="tag" href="{}">{}</a>', url or tag.get_absolute_url(), tag.name)


@register.simple_tag
def badge(label, tone="", icon=""):
    """A state in a word with its icon. Tones: info, success, danger, muted, points, primary."""
    return format_html(
        '<span class="badge-state tone-{}">{}{}</span>', tone or "muted", draw(icon, 16) if icon else "", label
    )


@register.simple_tag
def rating(mean, count):
    """A plain mean and how many reviews it comes from; "new" while there are none."""
    if not count:
        return format_html('<span class="rating rating-new">{}</span>', pgettext("no ratings yet", "new"))
    shown = floatformat(mean, 1)
    words = ngettext("rated %(mean)s of 5 in %(count)d review", "rated %(mean)s of 5 in %(count)d reviews", count)
    return format_html(
        '<span class="rating"><span aria-hidden="true"><span class="rating-mean">{}</span>'
        ' <span class="rating-star">★</span> <span class="rating-count">({})</span></span>'
        ' <span class="visually-hidden">{}</span></span>',
        shown,
        count,
        words % {"mean": shown, "count": count},
    )


def moment(value, with_year):
    return date_format(value, "D j M Y" if with_year else "D j M")


def span(start, end=None, now=None):
    """ "Tue 24 Nov, 14:00–15:00" in the current zone.

    The year is named when it is not this one, the day of the end when it is another, and the zone's own abbreviation
    beside both times when the clocks change in between.
    """
    start = timezone.localtime(start)
    with_year = start.year != timezone.localtime(now or timezone.now()).year
    text = f"{moment(start, with_year)}, {date_format(start, 'H:i')}"
    if end is None:
        return text
    end = timezone.localtime(end)
    clock_changes = start.utcoffset() != end.utcoffset()
    if clock_changes:
        text += f" {start.tzname()}"
    text += "–"
    if end.date() != start.date():
        text += f"{moment(end, with_year)}, "
    text += date_format(end, "H:i")
    return f"{text} {end.tzname()}" if clock_changes else text


@register.simple_tag
def when(start, end=None):
    """A time or a stretch of time in words, in the current zone; the distance from now stands in the title."""
    return format_html(
        '<time datetime="{}" title="{}">{}</time>',
        start.astimezone(dt.UTC).isoformat(timespec="minutes"),
        naturaltime(start),
        span(start, end),
    )


def zone_name():
    """The name of the current zone, such as "Etc/GMT+5": Django's own function says "-05" of zones with a fixed offset,
    and there is no zone of that name."""
    return str(timezone.get_current_timezone())


def zone_label(name):
    return name.replace("_", " ")


@register.simple_tag
def zone():
    """The name of the zone in which this page shows its times."""
    return format_html('<span class="zone">{}</span>', zone_label(zone_name()))


@register.simple_tag
def duration(minutes):
    """45 minutes, 1 hour, 1 h 30 min."""
    hours, rest = divmod(int(minutes), 60)
    if not hours:
        return ngettext("%(count)d minute", "%(count)d minutes", rest) % {"count": rest}
    if not rest:
        return ngettext("%(count)d hour", "%(count)d hours", hours) % {"count": hours}
    return gettext("%(hours)d h %(minutes)d min") % {"hours": hours, "minutes": rest}


@register.inclusion_tag("partials/empty_state.html")
def empty_state(title, text="", icon="inbox", action="", url=""):
    """What belongs here, in a line, and the one thing to do about it."""
    return {"title": title, "text": text, "icon": icon, "action": action, "url": url}


@register.filter
def markdown(text, top=2):
    """What somebody wrote, as a text of the page: `{{ reply.text|markdown }}`. Its highest headings are `h{top}`."""
    return prose(markdown_text.render(text, top=top))


@register.filter
def prose(rendered):
    """The same for what is rendered already: `{{ reply.html|prose }}`."""
    return format_html('<div class="prose" dir="auto" hx-disable>{}</div>', rendered)


@register.filter
def plain(text, limit=200):
    """The words of a Markdown text in one line of at most `limit` characters: `{{ ticket.description|plain:160 }}`."""
    return markdown_text.plain(text, limit)


@register.inclusion_tag("partials/breadcrumb.html")
def breadcrumb(label, url=""):
    """One step of the trail; the page itself has no address. Belongs in `{% block breadcrumbs %}`."""
    return {"label": label, "url": url}


@register.simple_block_tag
def trail(content):
    """The navigation around the breadcrumbs, or nothing where the page has none."""
    if not content.strip():
        return ""
    return format_html(
        '<nav class="trail" aria-label="{}"><ol>{}</ol></nav>', pgettext("navigation", "Breadcrumbs"), content
    )


@register.simple_block_tag
def section(content):
    """The content, or nothing where it is only white space: `{% section as x %}` tells an empty one from a full one."""
    return content if content.strip() else ""


@register.inclusion_tag("partials/nav_link.html", takes_context=True)
def nav_link(context, view_name, label, icon, query="", but_not=""):
    """An entry of the main navigation; it knows when the page is its own.

    Where two entries lead to one view, one names its `query` and the other leaves it to that one with `but_not`.
    """
    request = context.get("request")
    match = request.resolver_match if request else None
    asked = request.META.get("QUERY_STRING", "").split("&") if request else []
    return {
        "url": reverse(view_name) + (f"?{query}" if query else ""),
        "label": label,
        "icon": icon,
        "current": bool(match)
        and match.view_name == view_name
        and (not query or query in asked)
        and (not but_not or but_not not in asked),
    }
