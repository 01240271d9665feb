"""Reviews in both directions."""

from ninja import Router

feedback = Router(tags=["feedback"])
