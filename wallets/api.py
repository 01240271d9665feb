"""Points: balance and statement."""

from ninja import Router

wallet = Router(tags=["points"])
