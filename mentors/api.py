"""Mentor profiles, expertise and tags."""

from ninja import Router

mentors = Router(tags=["mentors"])
tags = Router(tags=["tags"])
