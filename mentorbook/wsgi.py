"""The pages alone, for a WSGI server such as gunicorn behind a proxy; `asgi.py` serves everything."""

import gc
import os

from django.core.exceptions import BadRequest
from django.core.wsgi import get_wsgi_application
from django.urls import reverse

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mentorbook.settings")

django_application = get_wsgi_application()


class WholeBody:
    """The body of a request, of which less than was announced is refused.

    Servers hand on what came before somebody left: a tab that was closed, a train in a tunnel. Django takes that for
    all there was, and would store half a reply, or a draft whose fields are all empty.
    """

    def __init__(self, stream):
        self.stream = stream
        self.readline = stream.readline  # Django's stream wants to know it, and does not read by it

    def read(self, size):
        received = self.stream.read(size)
        if len(received) < size:
            raise BadRequest("The body ended before its length.")
        return received


def application(environ, start_response):
    environ["wsgi.input"] = WholeBody(environ["wsgi.input"])
    return django_application(environ, start_response)


# What has been loaded by now stays. A full garbage collection would walk through all of it again, with every page
# waiting for 25 to 60 ms. Reversing an address loads the views, forms and addresses of all apps first.
reverse("home")
gc.collect()
gc.freeze()
