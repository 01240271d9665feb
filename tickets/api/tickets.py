"""Questions in writing."""

from ninja import Router

tickets = Router(tags=["tickets"])
