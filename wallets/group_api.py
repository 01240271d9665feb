"""Project groups and what is in their wallets."""

from ninja import Router

project_groups = Router(tags=["project groups"])
