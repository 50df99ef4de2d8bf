"""gunicorn tests.bench.drf_wsgi:application"""

import os

os.environ["DJANGO_SETTINGS_MODULE"] = "tests.bench.drf_settings"

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
