"""Settings by environment. docs/operating.md lists each variable; q2c/checks.py refuses what cannot work."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import psycopg
from django.core.exceptions import ImproperlyConfigured
from psycopg.conninfo import conninfo_to_dict
from redis.backoff import NoBackoff
from redis.retry import Retry

from q2c import logs

BASE_DIR = Path(__file__).resolve().parent.parent


def env(name: str, default: str = "") -> str:
    return os.environ.get(name, default)


def flag(name: str, default: bool = False) -> bool:
    return env(name, "1" if default else "0").lower() in {"1", "true", "yes", "on"}


def number(name: str, default: int) -> int:
    """A whole number; anything else stops the start with one line."""
    given = env(name, str(default))
    try:
        return int(given)
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} is {given!r}: set it to a whole number, or unset it for {default}"
        ) from None


_LOCAL = "postgresql://q2c@127.0.0.1:5432/q2c"


def database(name: str) -> dict[str, Any]:
    """The variable's postgresql://user:password@host:port/name?sslmode=verify-full as Django wants it.

    Read as PostgreSQL's own tools do; what it says beyond these is an option of the connection.
    """
    try:
        parts: dict[str, Any] = conninfo_to_dict(env(name, _LOCAL))
        readable = str(parts.get("port") or "0").isdigit()
    except psycopg.ProgrammingError:
        readable = False
    if not readable:
        # Not the driver's own words: they quote what they stumble over, which may be the password.
        raise ImproperlyConfigured(
            f"{name} cannot be read as an address of PostgreSQL: set it to postgresql://user:password@host:5432/name, "
            "parts with signs of their own percent-encoded, parameters by the names that PostgreSQL knows"
        )
    return {
        "ENGINE": "q2c.database",
        "NAME": parts.pop("dbname", ""),
        "USER": parts.pop("user", ""),
        "PASSWORD": parts.pop("password", ""),
        "HOST": parts.pop("host", ""),
        "PORT": parts.pop("port", ""),
        "CONN_HEALTH_CHECKS": True,
        # No session state is relied upon: a pooler in transaction mode may sit between.
        "DISABLE_SERVER_SIDE_CURSORS": True,
        "OPTIONS": {
            "application_name": env("Q2C_PROCESS", "q2c"),
            "connect_timeout": 3,
            # Said of each transaction, whatever the server is set to: the guards take no other (q2c/guards.py).
            "isolation_level": psycopg.IsolationLevel.READ_COMMITTED,
            **parts,
        },
    }


DEBUG = flag("Q2C_DEBUG")
# Without one nothing starts: the checks say so, in words (q2c.E001).
SECRET_KEY = env("Q2C_SECRET_KEY") or "missing"
# Older keys still decrypt what they encrypted, newest first: a key can be changed without losing secrets.
SECRET_KEY_FALLBACKS = [key for key in env("Q2C_OLD_SECRET_KEYS").split(",") if key]
PUBLIC_URL = env("Q2C_PUBLIC_URL", "http://127.0.0.1:8000")
ALLOWED_HOSTS = [host for host in env("Q2C_ALLOWED_HOSTS", "127.0.0.1,localhost,[::1]").split(",") if host]
CSRF_TRUSTED_ORIGINS = [PUBLIC_URL]
_HTTPS = PUBLIC_URL.startswith("https://")

INSTALLED_APPS = [
    "q2c.apps.Admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "django.contrib.humanize",
    "django_fsm",
    "simple_history",
    "rest_framework",
    "django_filters",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "lucide",
    "import_export",
    "axes",
    "csp",
    "ledger",
    "exceptions",
    "q2c.apps.Q2C",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "q2c.correlation.Middleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "csp.middleware.CSPMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "simple_history.middleware.HistoryRequestMiddleware",
    "q2c.ui.preferences.Middleware",
    "q2c.ui.nul.Middleware",
    "axes.middleware.AxesMiddleware",
]

ROOT_URLCONF = "q2c.urls"
WSGI_APPLICATION = "q2c.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "q2c.ui.frame.context",
            ],
            "builtins": ["q2c.ui.tags"],
        },
    }
]

_as_owner = flag("Q2C_AS_OWNER") and env("DATABASE_OWNER_URL")
_application = database("DATABASE_URL")
DATABASES = {"default": database("DATABASE_OWNER_URL") if _as_owner else _application}
# The role that web and workers use; migrate grants it its rights and keeps the rest from it.
DATABASE_APP_ROLE = env("Q2C_DATABASE_ROLE") or _application["USER"]
_TESTING = "pytest" in sys.modules
if not _TESTING and not _as_owner:
    DATABASES["default"]["OPTIONS"]["pool"] = {
        "min_size": 1,
        "max_size": number("Q2C_DATABASE_POOL", 12),
        # Who asks in vain is answered 503 after this.
        "timeout": 5,
        # A pool pauses 1, 2, 4, 8 … s between its tries to connect, for this long; then the next request begins anew.
        # As it comes it goes on for 5 minutes: a server that is back would be found up to a minute later.
        "reconnect_timeout": 2,
    }
    # q2c/database/ checks them.
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = False
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

REDIS_URL = env("REDIS_URL", "redis://127.0.0.1:6379/0")
# Each request that stores something waits for it, so not for long and not twice.
REDIS_LIMIT_S = 1.0
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "OPTIONS": {
            "socket_timeout": REDIS_LIMIT_S,
            "socket_connect_timeout": REDIS_LIMIT_S,
            "retry": Retry(NoBackoff(), 0),
        },
    }
}

CELERY_BROKER_URL = REDIS_URL
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_DEFAULT_QUEUE = "outbound"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600, "socket_keepalive": True, "health_check_interval": 10}
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False

AUTHENTICATION_BACKENDS = ["axes.backends.AxesStandaloneBackend", "django.contrib.auth.backends.ModelBackend"]
IMPORT_EXPORT_ESCAPE_FORMULAE_ON_EXPORT = True
# Between preview and confirmation an upload waits where every web process can reach it.
IMPORT_EXPORT_TMP_STORAGE_CLASS = "import_export.tmp_storages.CacheStorage"
# An old version is brought back by hand, with a reason: a revert would carry states with it.
SIMPLE_HISTORY_REVERT_DISABLED = True
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
AXES_FAILURE_LIMIT = 10
AXES_COOLOFF_TIME = 0.25
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_ENABLED = not _TESTING
AXES_LOCKOUT_CALLABLE = "q2c.ui.sign_in.locked_out"
CSRF_FAILURE_VIEW = "q2c.ui.errors.csrf_failed"
LOGIN_URL = "sign-in"
LOGIN_REDIRECT_URL = "control-tower"
LOGOUT_REDIRECT_URL = "sign-in"

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English"), ("en-gb", "English (UK)"), ("de", "Deutsch"), ("ja", "日本語")]
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
# English phrases in the reader's formats: see q2c/ui/preferences.py.
FORMAT_MODULE_PATH = ["q2c.ui.locales"]

STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "q2c.api.authentication.ApiKeyAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["q2c.api.rights.HasRight"],
    "DEFAULT_PAGINATION_CLASS": "q2c.api.pagination.Keyset",
    "PAGE_SIZE": 50,
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["q2c.api.parsing.StrictJSONParser"],
    "EXCEPTION_HANDLER": "q2c.api.problems.handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "q2c API",
    "DESCRIPTION": "Deals and invoices in; their journey, cases and journals out.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["q2c.api.rights.HasRight"],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "SCHEMA_PATH_PREFIX": r"/api/v1",
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        # The plain views; q2c/api/operations.py describes them.
        "q2c.api.operations.with_plain_views",
    ],
}

SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SECURE_SSL_REDIRECT = _HTTPS
# Probes and scrapers ask inside, past the proxy that has the certificate.
SECURE_REDIRECT_EXEMPT = [r"^(healthz|readyz|metrics)$"]
SECURE_HSTS_SECONDS = 31_536_000 if _HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = _HTTPS
SECURE_HSTS_PRELOAD = _HTTPS
BEHIND_PROXY = flag("Q2C_BEHIND_PROXY")
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_PROXY else None
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = _HTTPS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_AGE = 12 * 3600
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "EXCLUDE_URL_PREFIXES": ["/admin/"],
    "DIRECTIVES": {
        "default-src": ["'none'"],
        "script-src": ["'self'"],
        "style-src": ["'self'"],
        "img-src": ["'self'", "data:"],
        "font-src": ["'self'"],
        "connect-src": ["'self'"],
        "form-action": ["'self'"],
        "base-uri": ["'none'"],
        "frame-ancestors": ["'none'"],
    },
}
# One intake request: 10,000 lines of 2 KB must fit; api/intake.py refuses more with 413.
DATA_UPLOAD_MAX_MEMORY_SIZE = 64 * 1024 * 1024

# Where connections with a base address of sandbox://<vendor> are reached; empty in production.
SANDBOX_URL = env("SANDBOX_URL")
BATCH_SIZE = number("Q2C_BATCH_SIZE", 100)
LEASE_S = number("Q2C_LEASE_S", 120)

# Who sends it may read /metrics; without it only this machine.
METRICS_TOKEN = env("Q2C_METRICS_TOKEN")
# Where the processes of this machine keep their counters together; prometheus_client itself reads the variable, too.
METRICS_DIR = env("PROMETHEUS_MULTIPROC_DIR")
# What /healthz says it is: whoever started this process knows by it that nobody else answers on its port.
INSTANCE = env("Q2C_INSTANCE")
# A worker on a machine without a web process answers for its own counters there; 0: it does not.
WORKER_METRICS_PORT = number("Q2C_WORKER_METRICS_PORT", 0)

LOGGING = logs.settings()
