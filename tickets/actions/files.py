"""What every action that takes files does around its transaction."""

import functools

from tickets.actions.attachments import files_follow, look_at


def with_files(action):
    """Look at `files` before the transaction begins, and leave none on the disk when it fails."""

    @functools.wraps(action)
    def look_first(*args, files=(), **kwargs):
        accepted = look_at(files)
        with files_follow():
            return action(*args, files=accepted, **kwargs)

    return look_first
