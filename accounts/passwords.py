"""Which passwords are accepted. Length is what counts; composition rules are not asked for (NIST SP 800-63B, 5.1.1.2).

A password of twelve characters is easily guessed when it is made by a habit, so `CommonLongPasswordValidator` looks for
the habits: it compares with a list of long passwords that many people use (`common_long_passwords.txt`, and the long
ones of Django's list of 20,000), and recognises how short common ones are made long: written twice, with a year or
"123!" before or after, with digits for letters, or by sliding a finger over the keyboard.
"""

import gzip
import re
import unicodedata
from functools import cache
from pathlib import Path

from django.contrib.auth import password_validation
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

MIN_LENGTH = 12
# More than anybody types; hashing it costs no noticeable time. Anything longer is refused before it is hashed.
MAX_LENGTH = 4096

LEET = str.maketrans(
    {"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "@": "a", "$": "s", "!": "i", "€": "e"}
)
KEYBOARD_ROWS = (
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "abcdefghijklmnopqrstuvwxyz",
)
KEYBOARD_COLUMNS = ("1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "1q2w3e4r5t6y7u8i9o0p", "q1w2e3r4t5y6u7i8o9p0")


class MaximumLengthValidator:
    def validate(self, password, user=None):
        if len(password) > MAX_LENGTH:
            raise ValidationError(
                _("Use at most %(most)d characters."), code="password_too_long", params={"most": MAX_LENGTH}
            )

    def get_help_text(self):
        return _("At most %(most)d characters.") % {"most": MAX_LENGTH}


class CommonLongPasswordValidator:
    """Refuse the long passwords that are tried first."""

    def validate(self, password, user=None):
        if len(password) <= MAX_LENGTH and is_common(password):
            raise ValidationError(
                _("Many people use this password or one like it, so it is tried first. Choose words of your own."),
                code="password_too_common",
            )

    def get_help_text(self):
        return _("Not a password that many people use.")


def is_common(password: str) -> bool:
    """Whether `password` is a well-known one or made from a well-known one by a habit. Spelling does not hide it."""
    plain = _plain(password)
    if len(set(plain)) <= 3:
        return True
    core = re.sub(r"^[\d\W]+|[\d\W]+$", "", plain)
    if plain.isdigit() and len(plain) <= 16:  # dates, telephone numbers
        return True
    spellings = {text for text in (plain, core, plain.translate(LEET), core.translate(LEET)) if text}
    return any(_is_known(text) or _is_known(_repeated_part(text)) for text in spellings)


def _plain(text: str) -> str:
    """Lower case and without what separates words, so that "Correct-Horse" is "correcthorse"."""
    return re.sub(r"[\s_.,;:'\"/|+*#-]+", "", unicodedata.normalize("NFKC", text).casefold())


def _is_known(text: str | None) -> bool:
    return text is not None and (text in _known_passwords() or _is_walk(text))


def _repeated_part(text: str) -> str | None:
    """ "abc" for "abcabcabc", when the text is one part written again and again."""
    start = (text + text).find(text, 1)
    return text[:start] if 0 < start < len(text) else None


def _is_walk(text: str) -> bool:
    """Whether the text is made of runs along the keyboard, the alphabet or the digits, each of 3 or more."""
    position = 0
    while position < len(text):
        run = max((_run_length(text, position, row) for row in _rows()), default=0)
        if run < min(3, len(text) - position):
            return False
        position += max(run, 1)
    return len(text) > 0


def _run_length(text: str, position: int, row: str) -> int:
    length = 0
    while position + length < len(text) and text[position : position + length + 1] in row:
        length += 1
    return length


@cache
def _rows() -> tuple[str, ...]:
    rows = KEYBOARD_ROWS + KEYBOARD_COLUMNS
    return (*rows, *(row[::-1] for row in rows), *(2 * digit for digit in "0123456789"))


@cache
def _known_passwords() -> frozenset[str]:
    """Ours and Django's, the short ones too: they come twice, or with a year behind them."""
    own = (Path(__file__).parent / "common_long_passwords.txt").read_text(encoding="utf-8").splitlines()
    words = (*(line for line in own if not line.startswith("# ")), *_django_list())
    return frozenset(plain for word in words if len(plain := _plain(word)) >= 4)


@cache
def _django_list() -> tuple[str, ...]:
    path = Path(password_validation.__file__).parent / "common-passwords.txt.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return tuple(line.strip() for line in lines)
