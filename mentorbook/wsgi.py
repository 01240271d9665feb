"""The pages alone, for a WSGI server such as gunicorn behind a proxy; `asgi.py` serves everything."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mentorbook.settings")

application = get_wsgi_application()
