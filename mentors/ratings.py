"""Arithmetic of ratings."""

PRIOR_WEIGHT = 8
PRIOR_MEAN = 4.0


def bayesian_mean(*, count: int, total: int) -> float:
    """The mean for ordering: as if everybody had begun with 8 reviews of 4.0, so one five-star review beats nobody."""
    return (PRIOR_WEIGHT * PRIOR_MEAN + total) / (PRIOR_WEIGHT + count)


def mean_to_one_decimal(*, count: int, total: int) -> float:
    """The plain mean as the pages write it: rounded to tenths, half up. There is at least one review."""
    return (20 * total + count) // (2 * count) / 10
