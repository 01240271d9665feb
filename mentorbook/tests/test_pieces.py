import datetime as dt
import gzip
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from bootstrap_wrapper import get_bootstrap_dir
from django import forms
from django.conf import settings
from django.contrib.messages import constants as levels
from django.contrib.messages.storage.base import Message
from django.contrib.staticfiles import finders
from django.core.paginator import Paginator
from django.template import engines
from django.template.loader import render_to_string
from django.test import RequestFactory
from django.utils import timezone

from accounts.models import User
from mentorbook.pieces import initials, span
from mentors.models import Tag

CSS = settings.BASE_DIR / "static" / "css"


def render(source, **context):
    return engines["django"].from_string(source).render(context)


def words(html):
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


# --- Pieces ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("amount", "said"), [(1, "1 point"), (50, "50 points"), (12500, "12,500 points")])
def test_points_are_said_with_their_unit(amount, said):
    assert words(render("{% points amount %}", amount=amount)) == said


def test_points_end_without_a_space():
    assert render("({% points 5 %})").endswith("</span>)")


@pytest.mark.parametrize(
    ("minutes", "said"),
    [(1, "1 minute"), (45, "45 minutes"), (60, "1 hour"), (90, "1 h 30 min"), (120, "2 hours")],
)
def test_duration_is_said_in_words(minutes, said):
    assert render("{% duration minutes %}", minutes=minutes) == said


def test_rating_is_the_mean_with_its_count():
    html = render("{% rating mean count %}", mean=4.66, count=38)
    assert "4.7 ★ (38)" in words(html)
    assert "rated 4.7 of 5 in 38 reviews" in words(html)


def test_rating_is_new_without_reviews():
    assert words(render("{% rating None 0 %}")) == "new"


@pytest.mark.parametrize(
    ("name", "letters"),
    [("Ann Archer", "AA"), ("Ludwig van Beethoven", "LB"), ("Łucja", "Ł"), ("ann@example.org", "AE"), ("???", "?")],
)
def test_initials_are_of_the_first_and_the_last_word(name, letters):
    assert initials(name) == letters


def test_person_escapes_what_people_wrote():
    html = render("{% person user fact=fact %}", user=User(pk=1, name="<b>Eve</b>"), fact="<script>")
    assert "<b>" not in html
    assert "<script>" not in html


def test_badge_and_tag_escape_what_people_wrote():
    assert "<i>" not in render("{% badge label %}", label="<i>")
    assert "<i>" not in render("{% tag_chip tag %}", tag=Tag(name="<i>"))


def test_badge_carries_icon_and_word():
    html = render('{% badge "confirmed" "success" "circle-check" %}')
    assert "tone-success" in html
    assert "<svg" in html
    assert words(html) == "confirmed"


def test_icon_is_hidden_from_readers():
    assert 'aria-hidden="true"' in render('{% icon "calendar" %}')


def test_empty_state_names_the_next_step():
    html = render('{% empty_state title="No sessions yet" action="Find a mentor" url="/mentors/" %}')
    assert words(html) == "No sessions yet Find a mentor"
    assert 'href="/mentors/"' in html


def test_trail_is_left_out_without_breadcrumbs():
    assert render("{% trail %} {% endtrail %}") == ""
    assert "<nav" in render('{% trail %}{% breadcrumb "Mentors" "/mentors/" %}{% endtrail %}')


def test_section_tells_an_empty_one_from_a_full_one():
    template = "{% section as it %}{{ inner }}{% endsection %}{% if it %}full{% else %}empty{% endif %}"
    assert render(template, inner="  \n") == "empty"
    assert render(template, inner="words") == "full"
    assert render("{% section as it %}<p>{{ inner }}</p>{% endsection %}{{ it }}", inner="<") == "<p>&lt;</p>"


def test_pagination_keeps_the_search():
    page = Paginator(range(60), 20).page(2)
    request = RequestFactory().get("/mentors/", {"tag": "django", "page": "2"})
    html = render_to_string("partials/pagination.html", {"page": page}, request)
    assert "tag=django&amp;page=1" in html
    assert "tag=django&amp;page=3" in html
    assert "Page 2 of 3" in words(html)


def test_messages_say_their_level_by_more_than_colour():
    context = {"messages": [Message(levels.ERROR, "Just taken."), Message(levels.SUCCESS, "Requested.")]}
    html = render_to_string("partials/messages.html", context)
    assert 'role="status"' in html
    assert "tone-danger" in html
    assert html.count("<svg") == 4


# --- Times ----------------------------------------------------------------------------------------------------------

NOW = dt.datetime(2026, 11, 21, 12, tzinfo=dt.UTC)


def utc(*parts):
    return dt.datetime(*parts, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("zone", "start", "end", "said"),
    [
        ("Europe/Madrid", utc(2026, 11, 24, 13), utc(2026, 11, 24, 14), "Tue 24 Nov, 14:00–15:00"),
        ("Asia/Kathmandu", utc(2026, 11, 24, 13), utc(2026, 11, 24, 14), "Tue 24 Nov, 18:45–19:45"),
        ("UTC", utc(2026, 11, 24, 13), None, "Tue 24 Nov, 13:00"),
        ("UTC", utc(2026, 11, 24, 23, 30), utc(2026, 11, 25, 0, 30), "Tue 24 Nov, 23:30–Wed 25 Nov, 00:30"),
        ("UTC", utc(2027, 1, 15, 10), utc(2027, 1, 15, 11), "Fri 15 Jan 2027, 10:00–11:00"),
        ("Europe/Berlin", utc(2026, 10, 25, 0, 30), utc(2026, 10, 25, 1, 30), "Sun 25 Oct, 02:30 CEST–02:30 CET"),
    ],
)
def test_times_are_said_in_the_zone_of_the_page(zone, start, end, said):
    with timezone.override(ZoneInfo(zone)):
        assert span(start, end, now=NOW) == said


def test_when_carries_the_instant_for_machines():
    with timezone.override(ZoneInfo("Europe/Madrid")):
        html = render("{% when start %}", start=utc(2026, 11, 24, 13))
    assert 'datetime="2026-11-24T13:00+00:00"' in html
    assert "title=" in html


def test_zone_is_named_as_people_read_it():
    with timezone.override(ZoneInfo("America/New_York")):
        assert words(render("{% zone %}")) == "America/New York"


def test_a_zone_with_a_fixed_offset_is_called_by_its_name():
    with timezone.override(ZoneInfo("Etc/GMT+5")):
        assert words(render("{% zone %}")) == "Etc/GMT+5"


# --- Tokens ---------------------------------------------------------------------------------------------------------


def schemes():
    """The light, the preferred dark and the chosen dark tokens."""
    source = (CSS / "tokens.css").read_text()
    light, chosen = (
        source[source.index(start) :].split("}")[0] for start in (":root {", ':root[data-bs-theme="dark"] {')
    )
    preferred = source[source.index(":root:not([data-bs-theme]) {") :].split("}")[0]
    return [dict(re.findall(r"^\s*--([\w-]+): (.+);$", block, re.M)) for block in (light, preferred, chosen)]


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    """Of WCAG 2.2: (lighter + 0.05) / (darker + 0.05)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_dark_is_the_same_whether_chosen_or_preferred():
    _, preferred, chosen = schemes()
    assert preferred == chosen


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_pair_of_colours_can_be_read(scheme):
    colours = schemes()[scheme]
    tones = ["primary", "points", "success", "danger", "info"]
    pairs = [(word, ground) for word in ["text", "muted", *tones] for ground in ("bg", "surface", "sunken")]
    pairs += [(tone, f"{tone}-tint") for tone in tones]
    pairs += [("text", f"{tone}-tint") for tone in tones]
    pairs += [("on-primary", "primary"), ("on-primary", "primary-strong"), ("on-danger", "danger")]
    pairs += [(f"avatar-{i}-ink", f"avatar-{i}") for i in range(1, 9)]
    too_weak = {pair: contrast(colours[pair[0]], colours[pair[1]]) for pair in pairs}
    assert {pair: value for pair, value in too_weak.items() if value < 4.5} == {}


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_borders_of_controls_can_be_seen(scheme):
    colours = schemes()[scheme]
    assert min(contrast(colours["line"], colours[ground]) for ground in ("bg", "surface")) >= 3


# --- The content security policy and the weight of a page -------------------------------------------------------------


def test_our_styles_hold_no_address_but_files_of_ours():
    for path in CSS.glob("*.css"):
        for address in re.findall(r"url\(([^)]+)\)", path.read_text()):
            file = (path.parent / address.strip("\"'")).resolve()
            assert file.is_file(), f"{path.name}: {address}"


def test_every_picture_of_bootstrap_is_replaced():
    """A new version of Bootstrap with another picture would break the content security policy silently."""
    bootstrap = (get_bootstrap_dir() / "css" / "bootstrap.min.css").read_text()
    with_picture = {
        selectors.split(",")[0].split(":not")[0].strip()
        for selectors in re.findall(r"([^{}]+)\{[^{}]*url\(.data:[^{}]*\}", bootstrap)
    }
    assert with_picture == {
        ".accordion",
        ".btn-close",
        ".carousel-control-next-icon",
        ".carousel-control-prev-icon",
        ".form-check-input:checked[type=checkbox]",
        ".form-check-input:checked[type=radio]",
        ".form-check-input[type=checkbox]:indeterminate",
        ".form-control.is-invalid",
        ".form-control.is-valid",
        ".form-select",
        ".form-select.is-invalid",
        ".form-select.is-valid",
        ".form-switch .form-check-input",
        ".form-switch .form-check-input:checked",
        ".form-switch .form-check-input:focus",
        ".navbar",
        ".navbar-dark",
        "[data-bs-theme=dark] .accordion-button::after",
        "[data-bs-theme=dark] .form-select",
        "[data-bs-theme=dark] .form-switch .form-check-input",
        "[data-bs-theme=dark] .navbar-toggler-icon",
    }


@pytest.mark.django_db
def test_a_first_visit_weighs_at_most_150_kilobytes(client):
    html = client.get("/").content
    files = {
        address.removeprefix("/static/")
        for address in re.findall(r'(?:href|src)="(/static/[^"]+)"', html.decode())
        if not address.endswith((".png", ".webmanifest"))
    }
    assert len(files) >= 6
    weight = len(gzip.compress(html)) + sum(len(gzip.compress(Path(finders.find(name)).read_bytes())) for name in files)
    assert weight < 150_000


# --- Forms ------------------------------------------------------------------------------------------------------------


class Asked(forms.Form):
    title = forms.CharField(help_text="A few words.")
    details = forms.CharField(required=False)
    kind = forms.ChoiceField(choices=[("a", "Learn"), ("b", "Mentor")], widget=forms.RadioSelect)


def test_a_form_marks_what_is_optional_and_nothing_else():
    html = render("{% load crispy_forms_tags %}{{ form|crispy }}", form=Asked())
    assert re.findall(r"(\w+) \(optional\)", words(html).replace("( optional )", "(optional)")) == ["Details"]
    assert "*" not in html


def test_an_error_stands_at_its_field_and_is_announced_with_it():
    html = render("{% load crispy_forms_tags %}{{ form|crispy }}", form=Asked({"details": "kept"}))
    field = html[html.index('id="div_id_title"') : html.index('id="div_id_details"')]
    assert "This field is required." in field
    assert 'id="id_title_error"' in field
    assert 'aria-invalid="true"' in field
    assert 'aria-describedby="id_title_helptext id_title_error"' in field
    assert 'value="kept"' in html


def test_choices_of_one_question_are_a_fieldset():
    html = render("{% load crispy_forms_tags %}{{ form|crispy }}", form=Asked())
    assert html.count("<fieldset") == html.count("<legend") == 1
