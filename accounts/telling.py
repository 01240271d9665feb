"""How this app tells people: notifications stand above it, and say at start how that is done."""

from collections.abc import Callable

_ways: dict[str, Callable] = {}


def tell_by(*, notify: Callable, mail_stranger: Callable) -> None:
    """Called by the app that tells people from its AppConfig.ready."""
    _ways.update(notify=notify, mail_stranger=mail_stranger)


def tell(person, *, kind: str, occasion: str, url: str, context: dict) -> None:
    """Tell somebody who has an account, in the page and by mail, in the caller's transaction."""
    _ways["notify"](person, kind=kind, occasion=occasion, url=url, context=context)


def tell_stranger(address: str, *, kind: str, link: str, context: dict) -> None:
    """Mail somebody who may have none."""
    _ways["mail_stranger"](address, kind=kind, link=link, context=context)
