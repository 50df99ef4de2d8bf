"""The web process."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")
# gunicorn's word for a worker that cannot boot: it ends, where it would start another for ever.
_CANNOT_BOOT = 3

try:
    application = get_wsgi_application()

    # Apps are loaded by now, which settings need.
    from q2c import checks

    checks.at_start()
except ImproperlyConfigured as wrong:
    # One line; raised, it would stand below gunicorn's traceback.
    sys.stderr.write(f"q2c: {wrong}\n")
    raise SystemExit(_CANNOT_BOOT) from None

# What comes in wakes the workers at once; without their tasks it would wait for the sweeper.
from q2c import tasks  # noqa: E402, F401
