"""The whole of mentorbook as one ASGI callable: one process, one port.

Pages go through Django's WSGI handler on a thread pool, because a page under native ASGI costs three to ten times the
processor time. Sockets have their own place beside it, so that adding live rooms changes nothing for the pages, and a
larger site can send `/ws/` to processes of its own with the same code.
"""

import os

from a2wsgi import WSGIMiddleware

from mentorbook.wsgi import application as wsgi_application

pages = WSGIMiddleware(wsgi_application, workers=int(os.environ.get("PAGE_THREADS", "10")))


async def sockets(scope, receive, send):
    """Close every socket: there is nothing live to connect to yet."""
    await receive()
    await send({"type": "websocket.close", "code": 4404})


async def lifespan(scope, receive, send):
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


HANDLERS = {"http": pages, "websocket": sockets, "lifespan": lifespan}


async def application(scope, receive, send):
    await HANDLERS[scope["type"]](scope, receive, send)
