"""The one callable that servers are given. That it serves pages is what the journeys in a browser prove."""

import asyncio
import gc

from asgiref.testing import ApplicationCommunicator

from mentorbook.asgi import application


def converse(scope, *messages):
    """What the application answers to `messages`, one after the other."""

    async def conversation():
        communicator = ApplicationCommunicator(application, scope)
        answers = []
        for message in messages:
            await communicator.send_input(message)
            answers.append(await communicator.receive_output(timeout=5))
        await communicator.wait(timeout=5)
        return answers

    return asyncio.run(conversation())


def test_the_server_may_start_and_stop_it():
    answers = converse({"type": "lifespan"}, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    assert answers == [{"type": "lifespan.startup.complete"}, {"type": "lifespan.shutdown.complete"}]


def test_a_socket_is_turned_away_while_nothing_is_live():
    assert converse({"type": "websocket", "path": "/ws/"}, {"type": "websocket.connect"}) == [
        {"type": "websocket.close", "code": 4404}
    ]


def test_what_a_process_starts_with_is_left_out_of_garbage_collections():
    # Importing asgi imported wsgi, which does it once all apps and addresses are loaded.
    assert gc.get_freeze_count() > 10_000
