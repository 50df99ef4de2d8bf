"""As q2c/wsgi.py."""

from q2c.wsgi import application as app

__all__ = ["app"]
