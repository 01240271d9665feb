"""What somebody was told."""

from ninja import Router

notifications = Router(tags=["notifications"])
