"""The routers of this app, mounted by `mentorbook/api.py`."""
