"""What people write, rendered: a usual question, and the slowest of the hostile texts that are known.

Each of those has 20,000 characters, as many as a form takes. They are the ones of `mentorbook/tests/pathological.py`.
"""

import time

from mentorbook.markdown import REMEMBERED, plain, render
from mentorbook.tests.pathological import CASES, CHARACTERS

QUESTION = """I read the settings from the environment, and **one** of them is not there:

```python
import os

DEBUG = os.environ["DEBUG"] == "true"  # KeyError
```

- it works in the terminal
- it fails under `systemd`, see https://www.freedesktop.org/

> Is there a way to have a default?
"""


def run() -> list[tuple[str, str, str]]:
    """Rows of (what, figure, target). Raises AssertionError where the texts are not what they should be."""
    assert len(CASES) >= 100
    assert max(len(text) for text in CASES.values()) == CHARACTERS
    assert "<pre" in render(QUESTION)  # the lexer is loaded from here on
    slowest, name = max((_milliseconds(lambda text=text: render(text), 2), name) for name, text in CASES.items())
    usual = _milliseconds(lambda: render(QUESTION), 200)
    excerpt = _milliseconds(lambda: plain(QUESTION), 200)
    return [
        ("a question of 400 characters with code, rendered", f"{usual:.1f} ms", "≤ 5 ms"),
        ("its words for an excerpt", f"{excerpt:.1f} ms", "≤ 2 ms"),
        (f"the worst 20,000 characters of {len(CASES)} kinds ({name})", f"{slowest:.0f} ms", "≤ 500 ms"),
    ]


def _milliseconds(work, times):
    """The quickest of `times`: what the work takes when nothing else is going on."""
    quickest = float("inf")
    for _ in range(times):
        REMEMBERED.clear()
        began = time.perf_counter()
        work()
        quickest = min(quickest, time.perf_counter() - began)
    return quickest * 1000


if __name__ == "__main__":
    for what, figure, target in run():
        print(f"{what:<60} {figure:>10}   {target}")
