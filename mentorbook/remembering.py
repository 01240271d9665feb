"""Results that take long to make, kept by each process for as long as there is room."""

import sys
import threading
from collections import OrderedDict
from collections.abc import Callable

BESIDES = 500  # bytes that an entry takes beside its strings, roughly


class Remembered:
    """The results used last, whose strings take `room` bytes at most."""

    def __init__(self, room: int):
        self._room = room
        self._taken = 0
        self._results: OrderedDict[tuple, str] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: tuple, make: Callable[[], str]) -> str:
        """What `make` returned for `key` before, or does now; without the lock, so two threads may make it at once."""
        with self._lock:
            if key in self._results:
                self._results.move_to_end(key)
                return self._results[key]
        result = make()
        with self._lock:
            if key not in self._results:
                self._results[key] = result
                self._taken += _size(key, result)
            while self._taken > self._room:
                self._taken -= _size(*self._results.popitem(last=False))
        return result

    def clear(self) -> None:
        with self._lock:
            self._results.clear()
            self._taken = 0


def _size(key, result):
    return BESIDES + sys.getsizeof(result) + sum(sys.getsizeof(part) for part in key)
