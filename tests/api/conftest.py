"""An upstream system with a key, as the API sees it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from q2c.models import ApiKey

SCOPES = [
    "q2c.add_event",
    "q2c.view_event",
    "q2c.view_order",
    "q2c.view_invoice",
    "q2c.cancel_order",
    "q2c.add_invoice",
]


class Caller:
    """Speaks to the API with one key."""

    def __init__(self, secret: str) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers = {"Authorization": f"Bearer {secret}"}

    def post(self, path: str, body: bytes | Any, kind: str = "application/cloudevents+json", **headers: str) -> Any:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return self.client.generic("POST", path, content, content_type=kind, headers=self.headers | headers)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, query, headers=self.headers)


@pytest.fixture
def caller(db: None) -> Caller:
    return Caller(ApiKey.make("webshop", SCOPES)[1])
