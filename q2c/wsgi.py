"""The web process."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")
application = get_wsgi_application()

# What comes in wakes the workers at once; without their tasks it would wait for the sweeper.
from q2c import tasks  # noqa: E402, F401
