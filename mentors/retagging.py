"""Who else has things with tags: apps above this one hear when tags are merged, deleted or get other spellings."""

from collections.abc import Callable, Collection

# Called with the ids of tags before they change; what it returns is called afterwards, in the same transaction.
Follower = Callable[[Collection[int]], Callable[[], None]]

_followers: list[Follower] = []


def follow_tags(follower: Follower) -> None:
    """Called by such an app from its AppConfig.ready; the same follower twice is one."""
    if follower not in _followers:
        _followers.append(follower)


def about_to_change(tag_ids: Collection[int]) -> Callable[[], None]:
    """Call it before these tags or their spellings change, and what it returns when they have, in one transaction."""
    afterwards = [follower(tag_ids) for follower in _followers]

    def tell():
        for after in afterwards:
            after()

    return tell
