"""Answers 200 to everything, and says which instance it is."""

import os


def application(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("X-Q2C-Instance", os.environ.get("Q2C_INSTANCE", ""))])
    return [b"well"]
