"""Who fits a ticket, and which ticket fits a mentor: arithmetic only, no database and no clock.

The weights are `settings.MATCHING`.
"""

import datetime as dt

from django.conf import settings

DAY = dt.timedelta(days=1)


def decayed(weight: float, *, since: dt.datetime, now: dt.datetime) -> float:
    """What `weight`, as it was at `since`, is worth at `now`: half of it after every 180 days (`half_life_days`).

    Never more than `weight`: a clock that runs back does not make anybody better.
    """
    return weight * 0.5 ** (max(0.0, (now - since) / DAY) / settings.MATCHING["half_life_days"])
