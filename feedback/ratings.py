"""What the reviews of a mentor add up to."""

from dataclasses import dataclass

from django.db.models import Count

from feedback.models import Review


@dataclass(frozen=True)
class Rating:
    """How many reviews gave how many stars."""

    counts: dict[int, int]

    @property
    def count(self) -> int:
        return sum(self.counts.values())

    @property
    def mean(self) -> float | None:
        return sum(stars * count for stars, count in self.counts.items()) / self.count if self.count else None

    @property
    def rows(self):
        """Five stars first: the stars, how many gave them, and the whole per cent that is of all."""
        return [
            (stars, self.counts.get(stars, 0), round(100 * self.counts.get(stars, 0) / (self.count or 1)))
            for stars in (5, 4, 3, 2, 1)
        ]


def reviews_of_mentor(mentor, now):
    """The reviews of a mentor that everybody may read, newest first, with their authors."""
    return Review.objects.shown(now).of_mentors().filter(recipient=mentor.user_id).select_related("author")


def rating_of(mentor, now) -> Rating:
    rows = reviews_of_mentor(mentor, now).order_by().values_list("rating").annotate(count=Count("pk"))
    return Rating(dict(rows))
