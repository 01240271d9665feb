from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from mentors import tags
from mentors.models import Tag

NEWEST, HELPFUL, RELEVANCE = "newest", "helpful", "relevance"
QUERY_LENGTH = 500


class KnowledgeFilters(forms.Form):
    """What somebody looks for in the knowledge base, from an address. Nothing in it is an error: what makes no sense
    finds nothing, or is left out."""

    q = forms.CharField(label=_("Search"), required=False)
    tag = forms.CharField(label=_("Tag"), required=False)
    sort = forms.ChoiceField(
        required=False,
        choices=[(RELEVANCE, _("Best match")), (NEWEST, _("Newest")), (HELPFUL, _("Most helpful"))],
    )

    def __init__(self, query):
        super().__init__(query)
        self.text = " ".join(query.get("q", "").replace("\0", " ").split())[:QUERY_LENGTH]
        self.tags, self.unknown_tags = self._tags(query.getlist("tag"))
        offered = [choice for choice, _label in self.sorts]
        self.sort = query.get("sort") if query.get("sort") in offered else offered[0]

    @property
    def sorts(self):
        """The orders that make sense: the best match only where something is searched for."""
        choices = self.fields["sort"].choices
        return choices if self.text else [choice for choice in choices if choice[0] != RELEVANCE]

    @staticmethod
    def _tags(typed):
        names, unknown = [], []
        for name in ",".join(typed)[: 10 * tags.MAX_LENGTH].split(","):
            if not name.strip():
                continue
            try:
                names.append(tags.normalise(name))
            except ValidationError:
                unknown.append("".join(c for c in name.strip() if c.isprintable())[: tags.MAX_LENGTH])
        names = list(dict.fromkeys(names))
        found = Tag.objects.by_spelling(names) if names else {}
        unknown += [name for name in names if name not in found]
        return list(dict.fromkeys(found[name] for name in names if name in found)), unknown

    def rows(self, articles):
        """Those of `articles` that have all the tags."""
        if self.unknown_tags:
            return articles.none()
        for tag in self.tags:
            articles = articles.filter(tags=tag)
        return articles
