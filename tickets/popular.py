"""Which tags the knowledge base is about."""

from django.core.cache import cache
from django.db.models import Count

from mentors.models import Tag
from tickets.models import Ticket

POPULAR = 16
KEPT_SECONDS = 600


def popular_tags():
    """The tags of most articles, most first. Counting reads every article there is, so it is done every ten minutes;
    the counts are no secret: whoever may not read articles sees no page that shows them."""
    ids = cache.get("tickets:popular_tags")
    if ids is None:
        rows = Ticket.tags.through.objects.filter(ticket__in=Ticket.objects.articles())
        counted = rows.values("tag").annotate(count=Count("pk")).order_by("-count", "tag")
        ids = [row["tag"] for row in counted[:POPULAR]]
        cache.set("tickets:popular_tags", ids, KEPT_SECONDS)
    tags = Tag.objects.in_bulk(ids)
    return [tags[pk] for pk in ids if pk in tags]
