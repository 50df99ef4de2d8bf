"""What the OpenAPI document says of the plain views: those that are too hot for the framework, and the webhooks.

A hook of drf-spectacular adds them to what it reads off the other views; a test holds the document and the addresses
equal.
"""

from __future__ import annotations

from typing import Any

import msgspec

from q2c.api import parsing
from q2c.contracts import schema
from q2c.contracts.events import EVENTS
from q2c.contracts.schema import closed

_REF = "#/components/schemas/"
_RIGHTS = "; ".join(f"{row.name} needs the right {row.right}, too" for row in EVENTS.values() if row.right)
PROBLEM = {"schema": {"$ref": f"{_REF}Problem"}}
_UUID = {"type": "string", "format": "uuid"}


def with_plain_views(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Named in SPECTACULAR_SETTINGS."""
    schemas = result["components"].setdefault("schemas", {})
    schemas |= _components()
    for (path, method), operation in _operations().items():
        result["paths"].setdefault(path, {})[method] = operation
    for path, methods in result["paths"].items():
        for method, operation in methods.items():
            first = operation.get("description", "").split(". ")[0].rstrip(".")
            # Shown as it is, where a description is rendered.
            operation.setdefault("summary", first.replace("`", "")[:100])
            _with_errors(operation, "{" in path)
            if method == "post" and "{" in path:
                operation["responses"].setdefault("409", _problem("It is not possible as things stand; it says why"))
    result["paths"] = dict(sorted(result["paths"].items()))
    return result


def _with_errors(operation: dict[str, Any], has_id: bool) -> None:
    found = {"400": "It cannot be read", "401": "No good API key or session", "403": "A right is missing"}
    if has_id:
        found["404"] = "There is no such thing, or the caller may not see it"
    if operation.get("security") == []:
        found.pop("403")
    for status, text in found.items():
        operation["responses"].setdefault(status, _problem(text))


def _problem(text: str) -> dict[str, Any]:
    return {"description": text, "content": {"application/problem+json": PROBLEM}}


def _components() -> dict[str, Any]:
    payloads = [EVENTS[type_].payload for type_ in schema.inbound()]
    _, sent = msgspec.json.schema_components(payloads, ref_template=f"{_REF}Sent{{name}}")
    documents = {f"Sent{name}": closed(component) for name, component in sent.items()}
    return {**documents, **_ENVELOPES, **_ANSWERS, "CloudEvent": _cloud_event(payloads)}


def _cloud_event(payloads: list[type]) -> dict[str, Any]:
    return {
        "type": "object",
        "description": "CloudEvents 1.0. (source, id) is the event's identity: the same again is answered as before.",
        "required": ["specversion", "id", "source", "type", "data"],
        "properties": {
            "specversion": {"const": "1.0"},
            "id": {"type": "string", "maxLength": 200, "description": "The sender's own id, the same on each try"},
            "source": {"type": "string", "description": "The key's system, or something below it: webshop/eu"},
            "type": {
                "type": "string",
                "description": f"{', '.join(schema.inbound())}; or with a version: OrderReceived.v1. {_RIGHTS}",
            },
            "time": {"type": "string", "format": "date-time", "description": "When it happened; now if left out"},
            "datacontenttype": {"type": "string", "default": "application/json"},
            "dataschema": {"type": "string", "description": f"{schema.ADDRESS}OrderReceived.v1.json"},
            "correlationid": {**_UUID, "description": "Of the journey it belongs to; else traceparent, else a new one"},
            "data": {"anyOf": [{"$ref": f"{_REF}Sent{payload.__name__}"} for payload in payloads]},
        },
    }


_ENVELOPES: dict[str, Any] = {
    "Problem": {
        "type": "object",
        "description": "RFC 9457",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string", "examples": ["urn:q2c:problem:order-refused"]},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "remedy": {"type": "string"},
            "instance": {"type": "string"},
            "correlation_id": {"type": "string"},
            "errors": {"type": "array", "items": {"$ref": f"{_REF}ProblemError"}},
        },
    },
    "ProblemError": {
        "type": "object",
        "required": ["pointer", "detail"],
        "properties": {
            "code": {"type": "string"},
            "reason": {"type": "string", "description": "Of an order's failed check: the name of the reason"},
            "pointer": {"type": "string", "description": "JSON pointer (RFC 6901) into what was sent"},
            "detail": {"type": "string"},
            "seen": {"description": "The value seen"},
            "remedy": {"type": "string"},
            "blocker": {"type": ["object", "null"], "description": "What stands in the way, as data"},
        },
    },
}  # fmt: skip

_STATUSES = ["stored", "duplicate", "conflict", "refused"]
_ANSWERS: dict[str, Any] = {
    "EventResult": {
        "type": "object",
        "required": ["index", "status"],
        "properties": {
            "index": {"type": "integer", "description": "Place among the events of the request, from 0"},
            "id": {"type": "string"},
            "status": {"enum": _STATUSES},
            "event_id": {"type": ["string", "null"], "format": "uuid"},
            "correlation_id": {"type": ["string", "null"], "format": "uuid"},
            "case": {**_UUID, "description": "Where it was refused or in conflict: it is kept, and this case is open"},
            "errors": {"type": "array", "items": {"$ref": f"{_REF}ProblemError"}},
        },
    },
    "EventTaken": {
        "type": "object",
        "properties": {
            "event_id": _UUID, "correlation_id": _UUID, "status": {"enum": _STATUSES[:2]},
            "results": {"type": "array", "items": {"$ref": f"{_REF}EventResult"}},
        },
    },
    "EventsTaken": {
        "type": "object",
        "properties": {
            "correlation_id": _UUID, **{status: {"type": "integer"} for status in _STATUSES},
            "results": {"type": "array", "items": {"$ref": f"{_REF}EventResult"}},
        },
    },
    "OrderAnswer": {
        "type": "object",
        "properties": {
            "status": {"enum": ["accepted", "awaiting_approval", "waiting"]},
            "event_id": _UUID,
            "correlation_id": _UUID,
            "case": {"type": "object", "properties": {"id": _UUID, "number": {"type": "string"}}},
            "order": {
                "type": ["object", "null"],
                "properties": {
                    "id": _UUID, "number": {"type": "string"}, "state": {"type": "string"},
                    "customer": {"type": "string"}, "contract_entity": {"type": "string"},
                    "currency": {"type": "string"}, "total_minor": {"type": "integer"},
                    "tax_estimate_minor": {"type": ["integer", "null"]},
                },
            },
            "approvals": {"type": "array", "items": {"$ref": f"{_REF}ProblemError"}},
            "detail": {"type": "string"},
        },
    },
}  # fmt: skip

_KEY: list[dict[str, list[str]]] = [{"apiKey": []}]
_ONCE = {
    "name": "Idempotency-Key", "in": "header", "schema": {"type": "string", "maxLength": 255},
    "description": "A request sent again under the same key is answered as before and does nothing again",
}  # fmt: skip
_CORRELATION = {
    "name": "X-Correlation-Id", "in": "header", "schema": _UUID,
    "description": "The id of the journey; else that of traceparent, else a new one. The answer carries it. "
    "One that another system began is not joined: then the body names the new one",
}  # fmt: skip


def _json(name: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"{_REF}{name}"}}}


def _operations() -> dict[tuple[str, str], dict[str, Any]]:
    return {
        ("/api/v1/events", "post"): _POST_EVENTS,
        ("/api/v1/orders", "post"): _POST_ORDERS,
        ("/api/v1/schemas/{name}", "get"): _GET_SCHEMA,
        ("/api/v1/webhooks/{name}", "post"): _POST_WEBHOOK,
    }


_BINARY = [
    {"name": f"ce-{name}", "in": "header", "schema": {"type": "string"}, "description": "Binary mode"}
    for name in ("specversion", "id", "source", "type", "time", "dataschema")
]
_RIGHTS = ", ".join(f"{row.name} needs {row.right}" for row in EVENTS.values() if row.right)
_POST_EVENTS: dict[str, Any] = {
    "operationId": "events_create",
    "tags": ["events"],
    "security": _KEY,
    "description": (
        "Facts from an upstream system. Each item has its own result and none spoils the others; what cannot be taken "
        "is kept byte for byte and opens a case. Right: q2c.add_event; "
        f"beside it {_RIGHTS}.\n\n"
        f"At most {parsing.EVENT_MAX // parsing.MIB} MiB for one event, {parsing.BATCH_ITEMS_MAX:,} events in "
        f"{parsing.BATCH_MAX // parsing.MIB} MiB for a batch, {parsing.LINE_ITEMS_MAX:,} lines in "
        f"{parsing.LINES_MAX // parsing.MIB} MiB for NDJSON (one envelope a line, kept as it is)."
    ),
    "parameters": [_ONCE, _CORRELATION, *_BINARY],
    "requestBody": {
        "required": True,
        "content": {
            parsing.STRUCTURED: {"schema": {"$ref": f"{_REF}CloudEvent"}},
            parsing.BATCH: {
                "schema": {
                    "type": "array", "maxItems": parsing.BATCH_ITEMS_MAX, "items": {"$ref": f"{_REF}CloudEvent"}
                }
            },
            parsing.NDJSON: {"schema": {"type": "string", "description": "One CloudEvent a line"}},
            parsing.JSON: {
                "schema": {"type": "object", "description": "Binary mode: the data alone; attributes are ce- headers"}
            },
        },
    },
    "responses": {
        "202": {
            "description": "Stored, each item with its result; of one event also its ids",
            "content": {
                "application/json": {
                    "schema": {"oneOf": [{"$ref": f"{_REF}EventTaken"}, {"$ref": f"{_REF}EventsTaken"}]}
                }
            },
        },
        "409": _problem("One event: its id was sent before with other content. A case is open"),
        "413": _problem("Too large, or too many"),
        "415": _problem("Another format, charset, or compressed"),
        "422": _problem("One event: it does not fit its schema, or the Idempotency-Key was used for another request"),
    },
}  # fmt: skip

_POST_ORDERS: dict[str, Any] = {
    "operationId": "orders_create",
    "tags": ["orders"],
    "security": _KEY,
    "description": (
        "The order document, answered at once: every control is run, the credit and tax services are asked. A changed "
        "document under the same order number is a new version and takes the place of one that is not accepted yet; "
        "the same document again is answered as it stands now. Right: q2c.add_order."
    ),
    "parameters": [
        _ONCE, _CORRELATION,
        {"name": "dry_run", "in": "query", "schema": {"type": "boolean", "default": False},
         "description": "Run every check and keep nothing: 200 what would be, or 422; 503 where a service is silent"},
    ],
    "requestBody": {"required": True, "content": _json("SentOrderDocument")},
    "responses": {
        "200": {
            "description": "The order was here already, as it stands; or what a dry run came to",
            "content": _json("OrderAnswer"),
        },
        "201": {
            "description": "Accepted; or awaiting approval, then `approvals` says of what",
            "content": _json("OrderAnswer"),
        },
        "202": {
            "description": "A service did not answer in time, or an earlier version is under way: it waits and goes on "
            "by itself; follow Location",
            "content": _json("OrderAnswer"),
        },
        "409": _problem("A newer version has taken its place, it was given up, or the first try is still at work"),
        "413": _problem("Too large"),
        "415": _problem("Not application/json"),
        "422": _problem("`errors` lists every failed check with reason, pointer, value seen and remedy"),
        "503": _problem("Dry run: a service is silent"),
    },
}  # fmt: skip

_GET_SCHEMA: dict[str, Any] = {
    "operationId": "schemas_retrieve",
    "tags": ["events"],
    "security": _KEY,
    "description": "The JSON Schema that the data of an event is checked against. Right: q2c.add_event.",
    "parameters": [
        {"name": "name", "in": "path", "required": True,
         "schema": {"enum": [schema.name_of(type_) for type_ in schema.inbound()]}}
    ],
    "responses": {
        "200": {
            "description": "JSON Schema 2020-12",
            "content": {"application/schema+json": {"schema": {"type": "object"}}},
        }
    },
}  # fmt: skip

_POST_WEBHOOK: dict[str, Any] = {
    "operationId": "webhooks_create",
    "tags": ["webhooks"],
    "security": [],
    "description": (
        "Pushes of Salesforce (Standard Webhooks) and callouts of Zuora (Basic, HMAC). They are verified, remembered "
        "and answered; the record they name is then fetched: what it says counts, not the push."
    ),
    "parameters": [
        {"name": "name", "in": "path", "required": True, "schema": {"type": "string"},
         "description": "The connection's name"}
    ],
    "requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}},
    "responses": {
        "200": {
            "description": "Remembered",
            "content": {
                "application/json": {
                    "schema": {"type": "object", "properties": {"accepted": {"type": "integer"}}}
                }
            },
        },
        "403": _problem("The connection has no secret to verify with"),
        "413": _problem("Too large"),
    },
}  # fmt: skip
