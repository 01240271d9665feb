"""How often the password of one account may be tried, over all doors together.

At most `CHECKS` wrong passwords are really compared in any `WINDOW_SECONDS`. The account has that many places in the
cache; a check takes a free one before anything is hashed, and a wrong password keeps it occupied until the time is
over. A right one leaves its place. `cache.add` is atomic on every shared cache, so two attempts never get one place,
and a place is free again exactly one window after it was taken: the window slides, there is no edge to wait for.
Nothing of this looks at addresses or headers of the request, so none of them helps.
"""

import hashlib
import logging

from django.core.cache import cache

logger = logging.getLogger(__name__)

CHECKS = 10
WINDOW_SECONDS = 5 * 60


def take_turn(account) -> str | None:
    """Occupy a place for one comparison of `account` (an id or the typed address); None when all are taken."""
    for place in _places(account):
        if cache.add(place, 1, WINDOW_SECONDS):
            return place
    logger.warning("The password of account %s was tried too often; it is not compared for now.", account)
    return None


def give_back(turn: str) -> None:
    """Free the place again: the password was right."""
    cache.delete(turn)


def forget(account) -> None:
    """Free all places, because the password that was guessed at is no longer the password."""
    cache.delete_many(_places(account))


def _places(account) -> list[str]:
    # Hashed, because an address may hold characters that a cache's keys may not.
    key = hashlib.sha256(str(account).encode()).hexdigest()[:32]
    return [f"password-check:{key}:{place}" for place in range(CHECKS)]
