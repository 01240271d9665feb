"""The spelling of tags: one way to write each word of the vocabulary."""

import re
import unicodedata

from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

MAX_LENGTH = 50
WHITE_SPACE = "\t\n\v\f\r"
HIDDEN = {"Cc", "Cf", "Cs", "Co"}  # control, format, surrogate and private-use characters


def has_hidden_characters(text: str) -> bool:
    """Whether `text` contains something that people cannot see, or that no database stores."""
    return any(unicodedata.category(character) in HIDDEN for character in text if character not in WHITE_SPACE)


def normalise(text: str) -> str:
    """The one spelling of a tag: NFKC, trimmed, case-folded, inner white space as `-`.

    What distinguishes `C#`, `c++`, `.net` and `node.js` stays. Raises ValidationError for an empty name, one of more
    than 50 characters, a comma (which separates names in forms), and characters that nobody can see.
    """
    if has_hidden_characters(text):
        raise ValidationError(_("A tag contains a character that cannot be seen. Type it again."), code="hidden")
    # A bound before the work, and one after it: folding can lengthen a text up to 18 times.
    if len(text) <= 20 * MAX_LENGTH:
        spelling = _fold(text)
        while (again := _fold(spelling)) != spelling:  # folding can uncover something to fold: Å as U+212B, ¨ as space
            spelling = again
    else:
        spelling = text
    if not spelling:
        raise ValidationError(_("A tag needs at least one character."), code="empty")
    if "," in spelling:
        raise ValidationError(_("A tag cannot contain a comma."), code="comma")
    if len(spelling) > MAX_LENGTH:
        raise ValidationError(
            _("“%(tag)s…” is too long: a tag has at most %(limit)d characters."),
            code="too_long",
            params={"tag": spelling[:20], "limit": MAX_LENGTH},
        )
    return spelling


def _fold(text):
    return "-".join(unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).split())


def names_in(text: str, *, at_most: int) -> list[str]:
    """The normalised names in a comma-separated list, each once, in the order typed."""
    names = list(dict.fromkeys(normalise(name) for name in re.split(r"[,，、;\n]", text) if name.strip()))
    check_number(names, at_most=at_most)
    return names


def check_number(names, *, at_most: int):
    if len(names) > at_most:
        raise ValidationError(
            ngettext_lazy("Choose at most %(limit)d tag.", "Choose at most %(limit)d tags.", at_most),
            code="too_many",
            params={"limit": at_most},
        )
