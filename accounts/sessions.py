from django.contrib.sessions.backends import db


class SessionStore(db.SessionStore):
    """Django's, which asks the database for whatever a cookie holds; PostgreSQL fails on the NUL that one can hold."""

    def _validate_session_key(self, key):
        return super()._validate_session_key(key) and key.isascii() and key.isalnum()
