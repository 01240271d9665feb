"""The pages alone, for a WSGI server such as gunicorn behind a proxy; `asgi.py` serves everything."""

import gc
import os

from django.core.wsgi import get_wsgi_application
from django.urls import reverse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mentorbook.settings")

application = get_wsgi_application()

# What has been loaded by now stays. A full garbage collection would walk through all of it again, with every page
# waiting for 25 to 60 ms. Reversing an address loads the views, forms and addresses of all apps first.
reverse("home")
gc.collect()
gc.freeze()
