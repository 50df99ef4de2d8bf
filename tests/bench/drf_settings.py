"""The project's settings with the baseline's one address and no middleware."""

from q2c.settings import *  # noqa: F403

ROOT_URLCONF = "tests.bench.drf_app"
MIDDLEWARE: list[str] = []
REST_FRAMEWORK = {"DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"], "UNAUTHENTICATED_USER": None}
WSGI_APPLICATION = None
