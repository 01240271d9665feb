"""What was solved before."""

from ninja import Router

knowledge = Router(tags=["knowledge base"])
