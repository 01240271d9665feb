"""What people write, as it is kept: only what a database stores, one kind of line break, not longer than its row."""

import hashlib
import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from mentorbook import markdown
from mentorbook.errors import Refused
from mentors.actions import find_or_create_tags
from tickets.models import MAX_TAGS, REASON_LENGTH, TEXT_LENGTH, TITLE_LENGTH

KEY_LENGTH = 100


class TitleMissing(Refused):
    code = "title_missing"
    status = 422
    field = "title"
    message = _("Say in one line what you want to know.")


class DescriptionMissing(Refused):
    code = "description_missing"
    status = 422
    field = "description"
    message = _("Describe what you tried and what came out of it.")


class TextMissing(Refused):
    code = "text_missing"
    status = 422
    field = "text"
    message = _("Write something first.")


class SolutionMissing(TextMissing):
    """A solution without words."""

    field = "solution"


class ReasonMissing(Refused):
    code = "reason_missing"
    status = 422
    field = "reason"
    message = _("Say in a few words why.")


class TextTooLong(Refused):
    """`field` is the one it came from. Fact: `limit`, in characters."""

    code = "text_too_long"
    status = 422

    def __init__(self, field, limit):
        self.field = field
        message = ngettext(
            "Shorten this to at most %(limit)d character.", "Shorten this to at most %(limit)d characters.", limit
        )
        super().__init__(message % {"limit": limit}, limit=limit)


class TagsWrong(Refused):
    """None, too many, or one that cannot be a tag; the message says which."""

    code = "tags_wrong"
    status = 422
    field = "tags"
    message = _("Name at least one tag. Mentors find your question by it.")


def is_visible(text) -> bool:
    """Whether there is anything in `text` that people can see."""
    return any(unicodedata.category(character)[0] not in "CZM" for character in text)


def clean(text) -> str:
    """`text` without NUL and lone surrogates, which no database stores, with plain line breaks and no empty lines
    around it. Spaces before its first word stay where they make a block of code in Markdown, four or a tab."""
    storable = (text or "").replace("\0", "").encode(errors="ignore").decode()
    lines = storable.replace("\r\n", "\n").replace("\r", "\n").rstrip().split("\n")
    while lines and not lines[0].strip():
        del lines[0]
    kept = "\n".join(lines)
    return kept if kept.startswith(("    ", "\t")) else kept.lstrip()


def clean_words(text) -> str:
    """The same of what stands between words of ours: also without what would turn the direction of those.

    A long text keeps them, because it may be code; the renderer leaves them out.
    """
    return clean(markdown.clean(text or "")).strip()


def clean_title(title) -> str:
    """The title in one line."""
    return _checked(" ".join(clean_words(title).split()), TitleMissing, TITLE_LENGTH)


def clean_description(description) -> str:
    return _checked(clean(description), DescriptionMissing, TEXT_LENGTH)


def clean_text(text, missing=TextMissing) -> str:
    return _checked(clean(text), missing, TEXT_LENGTH)


def clean_reason(reason, missing=ReasonMissing, *, at_most=REASON_LENGTH, required=True) -> str:
    words = clean_words(reason)
    if not required and not is_visible(words):
        return ""
    return _checked(words, missing, at_most)


def clean_key(key) -> str | None:
    """A key that fits its column and can be stored, whatever was sent; None for none."""
    if key and (len(key) > KEY_LENGTH or not key.isprintable()):
        return hashlib.sha256(key.encode(errors="surrogatepass")).hexdigest()
    return key or None


def tags_of(names):
    """The tags of these names, locked. Refuses with TagsWrong."""
    try:
        tags = find_or_create_tags(names)
    except ValidationError as error:
        raise TagsWrong(error.messages[0]) from error
    if not tags:
        raise TagsWrong
    if len(tags) > MAX_TAGS:
        message = ngettext("Choose at most %(limit)d tag.", "Choose at most %(limit)d tags.", MAX_TAGS)
        raise TagsWrong(message % {"limit": MAX_TAGS})
    return tags


def _checked(text, missing, at_most):
    if not is_visible(text):
        raise missing
    if len(text) > at_most:
        raise TextTooLong(missing.field, at_most)
    return text
