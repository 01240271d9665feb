"""How much the suite does: enough to notice a fault; with MENTORBOOK_THOROUGH=1 as much as fits into `.ci/run`; with
MENTORBOOK_THOROUGH=all whatever takes longer still, which is every hostile value in every field."""

import os

EVERYTHING = os.environ.get("MENTORBOOK_THOROUGH") == "all"
THOROUGH = os.environ.get("MENTORBOOK_THOROUGH", "") not in ("", "0")


def amount(usual, thorough, everything=None):
    """How many rounds, examples or people this run takes."""
    if EVERYTHING and everything:
        return everything
    return thorough if THOROUGH else usual
