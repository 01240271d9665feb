"""When a mentor works, what is free, the best of it, and waiting for it."""

from ninja import Router

mentors = Router(tags=["time"])
appointments = Router(tags=["time"])
