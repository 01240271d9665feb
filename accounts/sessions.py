from django.contrib.sessions.backends import db
from django.contrib.sessions.backends.base import SessionBase


class SessionStore(db.SessionStore):
    """Django's, which asks the database for whatever a cookie holds; PostgreSQL fails on the NUL that one can hold."""

    def _validate_session_key(self, key):
        return super()._validate_session_key(key) and key.isascii() and key.isalnum()


class NoSession(SessionBase):
    """What code that wants a session gets while a program is answered: nothing is loaded, kept or sent as a cookie."""

    modified = accessed = property(lambda self: False, lambda self, value: None)

    def load(self):
        return {}

    def exists(self, session_key):
        return False

    def create(self):
        pass

    def save(self, must_create=False):
        pass

    def delete(self, session_key=None):
        pass
