"""The mentors' queue, and the mentors who fit a ticket."""

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.http import QueryDict
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from accounts.decorators import mentor_required
from mentorbook.pages import paginate
from mentors import tags
from mentors.models import Tag
from tickets.matching import Capacity, Queue, mentors_shown_to
from tickets.models import MAX_TAGS, Ticket

TABS = {"you": _("For you"), "all": _("All"), "mine": _("Mine")}
TAGS_OFFERED = 8


@mentor_required
@require_safe
def queue(request):
    profile, filters = request.user.mentor_profile, QueueFilters.of(request.GET)
    context = {
        "tab": filters.tab,
        "tabs": filters.tabs(),
        "chips": filters.chips(),
        "without_filters": filters.address(names=[]),
        "capacity": Capacity.of(profile),
    }
    if filters.tab == "mine":
        rows = Ticket.objects.for_mentor(profile).with_tags(*filters.tags).awaited_first().for_rows()
    else:
        rows = Queue(profile, now=timezone.now(), tags=filters.tags, fitting_only=filters.tab == "you")
        context |= {"queue": rows, "offers": filters.offers(rows.own_tags())}
    context["page"] = paginate(request, [] if filters.unknown else rows)
    return render(request, "tickets/queue.html", context)


@require_safe
def mentors(request, pk):
    ticket = get_object_or_404(Ticket.objects.visible_to(request.user).prefetch_related("tags"), pk=pk)
    is_fragment = request.htmx and not request.htmx.history_restore_request
    template = "tickets/_matching_mentors.html" if is_fragment else "tickets/mentors.html"
    matches = mentors_shown_to(request.user, ticket, now=timezone.now())
    context = {"ticket": ticket, "matches": matches, "can_talk": ticket.is_asked_by(request.user)}
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@dataclass(frozen=True)
class QueueFilters:
    """What the address of the queue asks for; what makes no sense there is left out. `unknown` are names without a
    tag, with which nothing is found."""

    tab: str
    tags: list[Tag]
    unknown: list[str]

    @classmethod
    def of(cls, query):
        tab = query.get("tab")
        names = dict.fromkeys(filter(None, map(_normalised, query.getlist("tag")[:MAX_TAGS])))
        found = Tag.objects.by_spelling(list(names)) if names else {}
        return cls(
            tab=tab if tab in TABS else "you",
            tags=list(dict.fromkeys(found[name] for name in names if name in found)),
            unknown=[name for name in names if name not in found],
        )

    @property
    def names(self):
        return [tag.name for tag in self.tags] + self.unknown

    def address(self, *, names, tab=None):
        query = QueryDict(mutable=True)
        query["tab"] = tab or self.tab
        query.setlist("tag", names)
        return f"?{query.urlencode()}"

    def tabs(self):
        return [(label, self.address(tab=tab, names=self.names), tab == self.tab) for tab, label in TABS.items()]

    def chips(self):
        """The chosen tags, each with the address of the list without it."""
        return [(name, self.address(names=[other for other in self.names if other != name])) for name in self.names]

    def offers(self, counted):
        """The most wanted of these tags with their numbers, each with the address of the list narrowed to it."""
        if self.unknown:
            return []
        free = [(tag.name, number) for tag, number in counted if tag not in self.tags][:TAGS_OFFERED]
        return [(name, number, self.address(names=[*self.names, name])) for name, number in free]


def _normalised(name):
    try:
        return tags.normalise(name)
    except ValidationError:
        return ""
