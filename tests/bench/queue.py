"""The queue page of a large database, beside rendering the same rows already in memory; its deepest page, its first.

Through the whole of Django but for the socket: addresses, middleware, session, rights, queries, template.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import connection
from django.db.models import prefetch_related_objects
from django.template import loader
from django.test import Client
from django.test.utils import CaptureQueriesContext, setup_test_environment, teardown_test_environment

from exceptions.models import Case
from tests.bench import large
from tests.bench.measure import Comparison
from tests.bench.sizes import Sizes


@contextmanager
def comparisons(sizes: Sizes) -> Iterator[list[Comparison]]:
    large.fill(sizes.rows)
    settings.ALLOWED_HOSTS = ["*"]
    page, admin = Page(large.USER, sizes.pages), Page(_admin(), 1)
    resolved = "/queue?tab=resolved"
    filtered = f"/queue?{urlencode({'tab': 'resolved', 'q': 'reason:period_closed entity:DE amount:>10000'})}"
    deepest = f"{resolved}&after={_cursor_near_the_end()}"
    at = f"at {sizes.rows:,} cases"
    yield [
        Comparison(f"queue page {at}: resolved", "pages/s", lambda: page.get(resolved), page.in_memory(resolved),
                   "rendering the same rows already in memory", 1.75, slower_by=True),
        Comparison(f"queue page {at}: filtered", "pages/s", lambda: page.get(filtered), page.in_memory(filtered),
                   "rendering the same rows already in memory", 1.75, slower_by=True),
        Comparison(f"queue page {at}: deepest", "pages/s", lambda: page.get(deepest), lambda: page.get(resolved),
                   "its first page", 1.2, slower_by=True),
        Comparison(f"queue page {at}", "pages/s", lambda: page.get(resolved),
                   lambda: admin.get("/admin/exceptions/case/"), "Django admin changelist of cases", 20),
    ]  # fmt: skip


def _admin() -> str:
    user, new = get_user_model().objects.get_or_create(
        username="bench-admin", defaults={"is_staff": True, "is_superuser": True}
    )
    if new:
        user.set_unusable_password()
        user.save()
    return str(user.get_username())


def _cursor_near_the_end() -> str:
    """As the page writes it, for a row that has fifty behind it."""
    case = Case.objects.filter(state="resolved").order_by("resolved_at", "id")[60]
    assert case.resolved_at is not None
    place = json.dumps([0, case.resolved_at.isoformat(), str(case.id)])
    return base64.urlsafe_b64encode(place.encode()).decode().rstrip("=")


class Page:
    def __init__(self, username: str, times: int) -> None:
        self.times = times
        self.client = Client()
        user = get_user_model().objects.get(username=username)
        self.client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")

    def get(self, address: str) -> int:
        for _ in range(self.times):
            answer = self.client.get(address)
            assert answer.status_code == 200, (address, answer.status_code)
        return self.times

    def in_memory(self, address: str) -> Callable[[], int]:
        """The page's own template over the rows it has shown, with nothing left to ask the database."""
        setup_test_environment()
        try:
            answer = self.client.get(address)
        finally:
            teardown_test_environment()
        context, request = answer.context[0].flatten(), answer.wsgi_request
        template = loader.get_template("queue/queue.html")
        prefetch_related_objects([request.user], "groups")
        with CaptureQueriesContext(connection) as asked:
            template.render(dict(context), request)
        assert not asked.captured_queries, asked.captured_queries

        def render() -> int:
            for _ in range(self.times):
                template.render(dict(context), request)
            return self.times

        return render
