"""The web's worker in a hurry, for tests."""

from q2c.gathering import GatheringWorker, TimedSocket


class HastySocket(TimedSocket):
    request_s = 1.5


class HastyWorker(GatheringWorker):
    socket_class = HastySocket


def echo(environ, start_response):  # type: ignore[no-untyped-def]
    """Gives back what it was sent."""
    body = environ["wsgi.input"].read()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
