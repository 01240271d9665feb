"""What happens to somebody who signs up to mentor: the mentors' app, which stands above, says at start what that is."""

from collections.abc import Callable

_beginnings: list[Callable] = []


def on_begin_to_mentor(begin: Callable) -> None:
    """Have `begin(user)` called in the transaction of each sign-up of a mentor by a program."""
    _beginnings.append(begin)


def begin_to_mentor(user) -> None:
    for begin in _beginnings:
        begin(user)
