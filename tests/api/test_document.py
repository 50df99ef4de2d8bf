"""The OpenAPI document says what the addresses do, and its pages come from the application alone."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import jsonschema
import pytest
from django.contrib.auth import get_user_model
from django.contrib.staticfiles import finders
from django.test import Client
from drf_spectacular.validation import validate_schema

from q2c.contracts import schema
from tests.api.conftest import Caller
from tests.api.test_rights import ADDRESSES, OPEN
from tests.intake.documents import event, order

pytestmark = pytest.mark.django_db


@pytest.fixture
def document(caller: Caller) -> dict[str, Any]:
    answer = caller.get("/api/v1/openapi.json")
    assert answer.status_code == 200
    return dict(json.loads(answer.content))


def shape(path: str) -> str:
    return re.sub(r"\{\w+\}|12345678[0-9-]+|OrderReceived\.v1\.json|(?<=webhooks/)crm", "*", path)


def test_routes_and_document_are_equal(document: dict[str, Any]) -> None:
    told = {(method, shape(path)) for path, methods in document["paths"].items() for method in methods}
    there = {
        (method, shape(path))
        for method, path, _, right in ADDRESSES
        if right != "public" and not path.endswith(("/openapi.json", "/docs"))
    }
    assert told == there


def test_it_is_valid_openapi_and_says_who_may(document: dict[str, Any]) -> None:
    assert document["openapi"] == "3.1.0"
    validate_schema(document)
    assert document["components"]["securitySchemes"]["apiKey"]["scheme"] == "bearer"
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("description"), (method, path)
            assert {"400", "401"} <= set(operation["responses"]), (method, path)
    # What is said of a list is not said of one record.
    for noun in ("events", "orders", "invoices", "journals", "cases"):
        listed, one = (document["paths"][f"/api/v1/{noun}{tail}"]["get"]["description"] for tail in ("", "/{id}"))
        assert "newest first" in listed.lower() and one.startswith("One "), noun
    open_paths = {path for path, methods in document["paths"].items() if methods.get("post", {}).get("security") == []}
    assert {shape(path) for path in open_paths} == {
        shape(p) for _, p, _, right in ADDRESSES if right in OPEN - {"public"}
    }


def test_what_it_says_of_events_and_orders_is_what_is_taken(document: dict[str, Any], caller: Caller) -> None:
    def valid(name: str, instance: Any) -> bool:
        whole = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
        return bool(jsonschema.Draft202012Validator(whole).is_valid(instance))

    assert valid("CloudEvent", event())
    assert valid("SentOrderDocument", order())
    assert not valid("SentOrderDocument", order(discount=1))
    assert not valid("CloudEvent", event(data={}))
    answer = caller.post("/api/v1/events", event())
    assert valid("EventTaken", answer.json())
    many = caller.post("/api/v1/events", [event("2"), {}], "application/cloudevents-batch+json")
    assert valid("EventsTaken", many.json())
    assert valid("Problem", caller.post("/api/v1/events", {}).json())


def test_records_are_as_the_document_says(document: dict[str, Any], caller: Caller) -> None:
    stored = caller.post("/api/v1/events", event()).json()["event_id"]
    whole = {"$ref": "#/components/schemas/EventDetail", "components": document["components"]}
    jsonschema.validate(caller.get(f"/api/v1/events/{stored}").json(), whole)


def test_schemas_are_served_as_exported(caller: Caller) -> None:
    for type_ in schema.inbound():
        name = schema.name_of(type_)
        served = caller.get(f"/api/v1/schemas/{name}")
        assert served.content.decode() == (schema.FOLDER / name).read_text()
    assert caller.get("/api/v1/schemas/OrderAccepted.v1.json").status_code == 404


def test_the_pages_load_nothing_from_elsewhere() -> None:
    client = Client()
    client.force_login(get_user_model().objects.create_user("ann"))
    page = client.get("/api/v1/docs")
    assert page.status_code == 200
    text = page.content.decode()
    assert not re.findall(r'(?:src|href)="(?:https?:)?//', text)
    assets = re.findall(r'(?:src|href)="/static/([^"?]+)', text)
    assert len(assets) >= 3
    for asset in assets:
        assert finders.find(asset), asset
    assert {"css/api.css", "js/api.js"} <= set(assets)
    assert "script-src 'self'" in page["Content-Security-Policy"], "as strict as everywhere"
    script = client.get(html.unescape(re.findall(r'src="(/api/v1/docs[^"]*)"', text)[0]))
    assert (script.status_code, script["Content-Type"]) == (200, "application/javascript")
    assert "/api/v1/openapi.json" in script.content.decode().replace("\\u002D", "-")


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
def test_the_pages_are_in_the_frame_with_the_theme_that_was_chosen(theme: str) -> None:
    client = Client()
    client.force_login(get_user_model().objects.create_user("ann"))
    client.cookies["q2c_theme"] = theme
    text = client.get("/api/v1/docs").content.decode()
    assert f'data-theme="{theme}"' in text and "data-theme-switch" in text
    assert 'aria-current="page"' in text, "the way to the other pages"
