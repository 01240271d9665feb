"""Mentor profiles, expertise and tags."""

from mentors.api.profiles import mentors
from mentors.api.tags import expertise, tags

mentors.add_router("/me/expertise", expertise)

__all__ = ["mentors", "tags"]
