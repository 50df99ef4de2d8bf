"""The web process."""

import os

from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")
application = get_wsgi_application()

# Apps are loaded by now, which settings need.
from q2c import checks  # noqa: E402

checks.at_start()

# What comes in wakes the workers at once; without their tasks it would wait for the sweeper.
from q2c import tasks  # noqa: E402, F401
