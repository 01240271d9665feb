"""Every page, on phones and at a desk, in the dark and in the light: accessible, and no wider than the screen."""

import json

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from django.conf import settings

from mentorbook.management.commands.seed_demo import PASSWORD
from tests.thoroughness import THOROUGH

# What a page looks like does not depend on the database.
EVERY_VIEW = THOROUGH and settings.DATABASES["default"]["ENGINE"].endswith("sqlite3")

VIEWS = {
    "desk": {"width": 1280, "height": 900, "color_scheme": "light"},
    "phone": {"width": 390, "height": 844, "color_scheme": "dark"},
    "small phone": {"width": 320, "height": 640, "color_scheme": "light", "has_touch": True, "is_mobile": True},
}
NARROWEST = "small phone"

VISITOR = [
    "/",
    "/accounts/login/",
    "/accounts/login/?next=/mentors/",
    "/accounts/signup/",
    "/accounts/signup/?intent=mentor",
    "/accounts/password/reset/",
    "/nothing-here/",
    "/knowledge/",
    "/knowledge/?q=key+error&tag=python",
    "/knowledge/?q=nobody-asked-this",
    "{article}",
]
STUDENT = [
    "/dashboard/",
    "/mentors/",
    "/mentors/?tag=python&max_rate=60",
    "/mentors/?q=nobody-is-called-so",
    "/mentors/1/",
    "/mentors/new/",
    "/bookings/",
    "/bookings/?show=past",
    "/bookings/calendar/",
    "/bookings/calendar/?view=week",
    "/bookings/calendar/?view=month&date=2026-10-25",
    "/bookings/find/",
    "/bookings/find/?tag=python&price=200",
    "/bookings/find/?price=0&earliest=03:00&latest=04:00",
    "/bookings/find/?tag=nobody-knows-it&price=-1",
    "/bookings/new/1/",
    "/bookings/chat/1/",
    "{chosen}",
    "/bookings/new/1/?start=2020-01-06T10:00Z",
    "{session}",
    "{session}cancel/",
    "{session}move/",
    "{session}decline/",
    "{past}",
    "{to_review}",
    "/reviews/mentors/1/",
    "/bookings/availability/",
    "/nothing-here/",
    "/groups/",
    "/groups/new/",
    "/groups/1/",
    "/groups/1/dissolve/",
    "/wallet/groups/1/",
    "/wallet/groups/1/give-back/",
    "/wallet/",
    "/notifications/",
    "/people/profile/",
    "/people/tokens/",
    "{token}",
    "/accounts/email/",
    "/accounts/password/change/",
    "/accounts/2fa/",
    "/accounts/2fa/totp/activate/",
    "/accounts/sessions/",
    "/tickets/",
    "/tickets/?show=closed",
    "/tickets/new/",
    "{open}",
    "{open}edit/",
    "{open}delete/",
    "{open}mentors/",
    "{assigned}",
    "{resolved}",
    "{resolved}reopen/",
    "{closed}",
    "{ticket_review}",
    "/knowledge/bookmarks/",
    "{article}",
]
MENTOR = [
    "/dashboard/",
    "/mentors/1/",
    "/mentors/edit/",
    "/bookings/calendar/settings/",
    "/bookings/calendar/",
    "/bookings/calendar/?view=week",
    "/bookings/",
    "/bookings/?show=requests",
    "/bookings/new/1/",
    "/bookings/availability/",
    "/bookings/availability/day/",
    "{session}",
    "{session}decline/",
    "/wallet/",
    "/notifications/",
    "/tickets/queue/",
    "/tickets/queue/?tab=all&tag=python",
    "/tickets/queue/?tab=mine",
    "{assigned}",
    "{assigned}release/",
    "{resolved}",
    "{written}",
]
NEWCOMER = [
    "/dashboard/",
    "/bookings/",
    "/bookings/?show=past",
    "/wallet/",
    "/notifications/",
    "/mentors/{own}/",
    "/bookings/availability/",
    "/people/profile/",
    "/tickets/",
    "/tickets/new/",
    "/tickets/queue/",
    "/knowledge/bookmarks/",
]
STAFF = [
    "/dashboard/",
    "/admin/",
    "/admin/mentors/mentorprofile/",
    "/admin/wallets/transaction/",
    "/admin/bookings/appointment/",
    "/admin/bookings/dispute/",
    "/admin/tickets/ticket/",
    "{assigned}",
]
PAGES = {
    None: VISITOR,
    "ann": STUDENT,
    "max": MENTOR,
    "ada": STAFF,
    "new": ["/dashboard/"],
    "wait": NEWCOMER,
    "long": NEWCOMER,
}


FACTS = """
from allauth.account.models import EmailAddress
from django.utils import timezone
from accounts.actions import create_personal_token
from accounts.models import User
from bookings.availability import first_free_times
from bookings.models import Appointment
from bookings.tests.factories import AppointmentFactory
from mentors.actions import approve_mentor, create_profile
from mentors.models import MentorProfile
from tickets.models import Ticket
from tickets.tests.factories import AttachmentFactory, ReplyFactory, TicketFactory
import datetime
import json
now = timezone.now()
ann, max = (User.objects.get(email=f"{name}@example.org") for name in ("ann", "max"))
theirs = Appointment.objects.filter(student=ann)
token, _secret = create_personal_token(by=ann, name=LONG, scope="write", valid_days=90, now=now)
past = theirs.filter(status="completed").order_by("starts_at")
made = {}
for name, words in (("new", "Nora New"), ("wait", "Wanda Waiting"), ("long", LONG)):
    user = User.objects.create_user(email=f"{name}@example.org", password=PASSWORD, name=words)
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    if name != "new":
        profile = create_profile(user, headline=words, bio=words * 3, expertise=["python"])
        made[name] = {"own": profile.pk}
        if name == "long":
            approve_mentor(profile, by=User.objects.get(email="ada@example.org"), now=now)
mentor = MentorProfile.objects.get(pk=1)
free = first_free_times([mentor], now)[mentor.pk].astimezone(datetime.UTC)
# Over midnight where Ann is: the longest time that a page has to fit.
# A title of one long word and what a reader may put into a text.
long = TicketFactory(assigned=True, student=ann, mentor=mentor, title=LONG, description=TEXT)
TicketFactory(student=ann, title="Z" + "\u0351\u0489" * 95, description="Z" + "\u0351\u0489" * 95)
ReplyFactory(ticket=long, author=max, text=TEXT)
AttachmentFactory(ticket=long, name=LONG.replace(" ", "") + ".txt")
midnight = now.replace(hour=22, minute=30) - datetime.timedelta(days=2)
lately = AppointmentFactory(student=ann, mentor=mentor, status="completed", starts_at=midnight)
asked = Ticket.objects.of_student(ann)
tickets = {name: asked.filter(status=name).first().get_absolute_url() for name in ("open", "assigned", "resolved")}
closed = TicketFactory(closed=True, student=ann, mentor=mentor)
article = Ticket.objects.articles().filter(upvote_count__gt=0).first().get_article_url()
answered = Ticket.objects.for_mentor(mentor).assigned().filter(waiting_on="student").first()
print(json.dumps({
    "null": {"article": article},
    "ann": {
        **tickets,
        "closed": closed.get_absolute_url(),
        "ticket_review": f"/reviews/tickets/{closed.pk}/",
        "article": article,
        "token": f"/people/tokens/{token.pk}/revoke/",
        "session": theirs.upcoming(now).first().get_absolute_url(),
        "past": past.first().get_absolute_url(),
        "to_review": f"/reviews/appointments/{lately.pk}/",
        "chosen": f"/bookings/new/1/?duration=30&start={free:%Y-%m-%dT%H:%MZ}",
    },
    "max": {
        "session": Appointment.objects.filter(mentor__user=max).waiting().first().get_absolute_url(),
        "assigned": answered.get_absolute_url(),
        "resolved": Ticket.objects.for_mentor(mentor).filter(status="resolved").first().get_absolute_url(),
        "written": Ticket.objects.get(title=LONG).get_absolute_url(),
    },
    "ada": {"assigned": answered.get_absolute_url()},
    **made,
}))
"""
TEXT = f"""# Heading
| a | b |
|---|---|
| 1 | `{"x" * 200}` |

```python
{"y" * 300} = 1
```

> {"z" * 200}
"""
LONG = "Wolfeschlegelsteinhausenbergerdorff-Adolph 🦄 بن عبد الرحمن"


@pytest.fixture(scope="module")
def site(demo_site):
    return demo_site


@pytest.fixture(scope="module")
def demo(site):
    """A newcomer, a mentor who waits and one with a long name among the demo data; the addresses that each needs."""
    return json.loads(site.python(f"PASSWORD, LONG, TEXT = {PASSWORD!r}, {LONG!r}, {TEXT!r}\n{FACTS}").splitlines()[-1])


@pytest.fixture(scope="module")
def cookies():
    """By person, what the browser holds after signing in, which is slow on purpose."""
    return {}


@pytest.fixture
def open_as(person, demo, cookies):
    def sign_in(who, **view):
        if who in cookies:
            return person(storage_state=cookies[who], **view)
        page = person(**view)
        if who:
            page.goto("/accounts/login/")
            page.locator("input[name=login]").fill(f"{who}@example.org")
            page.locator("input[name=password]").fill(PASSWORD)
            page.locator("main form button.btn-primary").first.click()
            page.wait_for_url("**/dashboard/")
        cookies[who] = page.context.storage_state()
        return page

    return sign_in


def addresses(who, demo):
    return [address.format(**demo.get(who or "null", {})) for address in PAGES[who]]


if EVERY_VIEW:

    @pytest.mark.parametrize("view", VIEWS)
    @pytest.mark.parametrize("who", PAGES)
    def test_pages_are_accessible_and_fit_in_every_view(open_as, demo, who, view):
        page = open_as(who, **VIEWS[view])
        problems = []
        for path in addresses(who, demo):
            page.goto(path)
            problems += [f"{path}: {problem}" for problem in [*violations(page), *overflow(page, path)]]
        assert not problems, "\n".join(problems)

else:

    @pytest.mark.parametrize("who", PAGES)
    def test_pages_are_accessible_in_one_view_and_fit_the_narrowest(open_as, demo, who):
        """Pages take turns in the views; the window is made narrow instead of opened anew."""
        page = open_as(who)
        problems = []
        for number, view in enumerate(VIEWS):
            page.emulate_media(color_scheme=VIEWS[view]["color_scheme"])
            for path in addresses(who, demo)[number :: len(VIEWS)]:
                show_as(page, view)
                page.goto(path)
                found = [*violations(page), *overflow(page, path)]
                show_as(page, NARROWEST)
                found += overflow(page, path)
                problems += [f"{path} ({view}): {problem}" for problem in found]
        assert not problems, "\n".join(problems)


def show_as(page, view):
    page.set_viewport_size({"width": VIEWS[view]["width"], "height": VIEWS[view]["height"]})


def violations(page):
    """What axe-core finds wrong with the page: the rule and the first place."""
    page.evaluate(AXE_SCRIPT)
    found = page.evaluate("""async () => {
        const {violations} = await axe.run({resultTypes: ["violations"]});
        return violations.map(({id, nodes}) => [id, nodes[0].html]);
    }""")
    return [f"{rule}: {html[:160]}" for rule, html in found]


def overflow(page, path):
    pixels = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"{pixels} px wider than the screen"] if pixels > 0 and not path.startswith("/admin/") else []
