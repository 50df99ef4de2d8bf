"""What must not be taken: a clear error that names the place and the remedy, the bytes kept, and never a 500."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exceptions.models import Case, RawBody
from q2c.api import parsing
from q2c.engine import run
from q2c.models import ApiKey, Event
from tests.api.conftest import Caller
from tests.intake import company
from tests.intake.documents import event, invoice, line, order

pytestmark = pytest.mark.django_db
EVENTS, ORDERS = "/api/v1/events", "/api/v1/orders"


def changed(path: str, value: Any, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """The order with one member set (or, `...`, left out), by pointer."""
    found = document or order()
    *above, last = path.strip("/").split("/")
    node: Any = found
    for name in above:
        node = node[int(name) if isinstance(node, list) else name]
    key: Any = int(last) if isinstance(node, list) else last
    if value is ...:
        del node[key]
    else:
        node[key] = value
    return found


def raw(text: str) -> bytes:
    """An envelope with `text` as its term in months."""
    return line().replace(b'"term_months": 12', b'"term_months": ' + text.encode())


def sent(data: dict[str, Any], **more: Any) -> bytes:
    return json.dumps(event(data=data, **more)).encode()


# What is sent, the status, the code and the pointer of the first error.
BAD: dict[str, tuple[bytes, int, str, str]] = {
    "nothing": (b"  ", 400, "empty", ""),
    "not JSON": (b"order: 1", 400, "not_json", ""),
    "cut off": (line()[:-5], 400, "not_json", ""),
    "two documents": (line() + line(), 400, "not_json", ""),
    "latin-1": (line().replace(b"Acme", "Süd".encode("latin-1")), 400, "not_utf8", ""),
    "utf-16": (line().decode().encode("utf-16"), 400, "not_utf8", ""),
    "a byte order mark": (b"\xef\xbb\xbf" + line(), 400, "byte_order_mark", ""),
    "deep nesting": (b'{"data":' + b"[" * 200 + b"]" * 200 + b"}", 400, "too_deep", "/data" + "/0" * 32),
    "very deep nesting": (b"[" * 100_000 + b"]" * 100_000, 400, "too_deep", ""),
    "NaN": (raw("NaN"), 400, "not_a_number", "/data/term_months"),
    "Infinity": (raw("-Infinity"), 400, "not_a_number", "/data/term_months"),
    "1e400": (raw("1e400"), 400, "number_out_of_range", "/data/term_months"),
    "a very small number": (raw("1e-999999999"), 400, "number_out_of_range", "/data/term_months"),
    "an exponent of many digits": (raw("1e99999999999999999999"), 400, "number_out_of_range", "/data/term_months"),
    "NaN, and more after it": (b"NaN, 1", 400, "not_json", ""),
    "thousands of digits": (raw("9" * 5000), 400, "number_too_long", ""),
    "duplicate keys": (raw('12, "currency": "EUR"'), 400, "duplicate_key", "/data/currency"),
    "a duplicate id": (line()[:-1] + b', "id": "other"}', 400, "duplicate_key", "/id"),
    "a nul byte": (line().replace(b"Acme", b"Ac\x00me"), 400, "not_json", ""),
    "a nul character": (line().replace(b"Acme", b"Ac\\u0000me"), 400, "nul_character", "/data/parties/0/name"),
    "half a character": (line().replace(b"Acme", b"\\ud83d"), 400, "half_character", "/data/parties/0/name"),
    "an array": (b"[]", 422, "type", ""),
    "no envelope": (json.dumps(order()).encode(), 422, "specversion", "/specversion"),
    "no data": (json.dumps({**event(), "data": ...}, default=lambda _: None).encode(), 422, "type", "/data"),
    "no id": (line(id=""), 422, "missing", "/id"),
    "an id of another kind": (line(id=7), 422, "missing", "/id"),
    "a long id": (line(id="x" * 201), 422, "invalid", "/id"),
    "no source": (line(source=None), 422, "missing", "/source"),
    "another's source": (line(source="salesforce"), 403, "source_not_yours", "/source"),
    "another specification": (line(specversion="0.3"), 422, "specversion", "/specversion"),
    "an unknown type": (line(type="OrderRecieved"), 422, "unknown_type", "/type"),
    "a type of our own": (line(type="JournalPosted"), 422, "unknown_type", "/type"),
    "a type of another kind": (line(type=["OrderReceived"]), 422, "unknown_type", "/type"),
    "another version": (line(type="OrderReceived.v2"), 422, "unknown_version", "/type"),
    "another version by schema": (
        line(dataschema="https://q2c/api/v1/schemas/OrderReceived.v9.json"), 422, "unknown_version", "/dataschema",
    ),
    "the schema of another type": (
        line(dataschema="/api/v1/schemas/InvoiceIssued.v1.json"), 422, "unknown_schema", "/dataschema",
    ),
    "XML": (line(datacontenttype="application/xml"), 422, "datacontenttype", "/datacontenttype"),
    "a naive time": (line(time="2026-01-05T12:00:00"), 422, "time", "/time"),
    "no time": (line(time="yesterday"), 422, "time", "/time"),
    "a time that is none": (line(time="2026-02-30T12:00:00Z"), 422, "time", "/time"),
    "the year one": (line(time="0001-01-01T00:00:00+14:00"), 422, "time", "/time"),
    "a time to come": (line(time="2099-01-01T00:00:00Z"), 422, "time_ahead", "/time"),
    "the last year": (line(time="9000-12-31T23:59:59Z"), 422, "time_ahead", "/time"),
    "data twice": (line(data_base64="e30="), 422, "data_twice", "/data_base64"),
    "no base64": (
        json.dumps({k: v for k, v in event(data_base64="§").items() if k != "data"}).encode(), 422, "not_base64",
        "/data_base64",
    ),
    "an unknown currency": (sent(changed("/currency", "USX")), 422, "enum", "/data/currency"),
    "a currency in small letters": (sent(changed("/groups/0/currency", "usd")), 422, "enum", "/data/groups/0/currency"),
    "a negative quantity": (sent(changed("/lines/0/quantity", "-5")), 422, "pattern", "/data/lines/0/quantity"),
    "a quantity that is a number": (sent(changed("/lines/0/quantity", 5)), 422, "type", "/data/lines/0/quantity"),
    "a line without product": (sent(changed("/lines/1/product", ...)), 422, "missing", "/data/lines/1/product"),
    "a line without revenue treatment": (
        sent(changed("/lines/0/revenue_treatment", ...)), 422, "missing", "/data/lines/0/revenue_treatment",
    ),
    "a line of a revenue treatment that is none": (
        sent(changed("/lines/0/revenue_treatment", "")), 422, "enum", "/data/lines/0/revenue_treatment",
    ),
    "an amount with decimals": (
        sent(changed("/lines/0/amount_minor", 12.5)), 422, "type", "/data/lines/0/amount_minor",
    ),
    "an amount as text": (sent(changed("/lines/0/amount_minor", "12")), 422, "type", "/data/lines/0/amount_minor"),
    "an amount too large": (
        sent(changed("/lines/0/amount_minor", 10**30)), 422, "maximum", "/data/lines/0/amount_minor",
    ),
    "a day that is none": (sent(changed("/closed_on", "2026-02-30")), 422, "format", "/data/closed_on"),
    "a day that is an instant": (
        sent(changed("/closed_on", "2026-02-01T00:00:00Z")), 422, "format", "/data/closed_on",
    ),
    "a number with a blank behind it": (
        sent(changed("/order_number", "SO-1 ")), 422, "pattern", "/data/order_number",
    ),
    "a number with a line's end behind it": (
        sent(changed("/order_number", "SO-1\n")), 422, "pattern", "/data/order_number",
    ),
    "a number with a blank of no width": (
        sent(changed("/order_number", "SO-1\u200b")), 422, "pattern", "/data/order_number",
    ),
    "a number written from right to left": (
        sent(changed("/order_number", "SO-\u202e1234")), 422, "pattern", "/data/order_number",
    ),
    "a letter and its accent apart": (
        sent(changed("/order_number", "e\u0301-1")), 422, "pattern", "/data/order_number",
    ),
    "a blank that does not break a line": (
        sent(changed("/order_number", "SO\u00a01")), 422, "pattern", "/data/order_number",
    ),
    "a customer with a blank before it": (sent(changed("/customer", " C-1")), 422, "pattern", "/data/customer"),
    "no lines": (sent(changed("/lines", [])), 422, "min_items", "/data/lines"),
    "a misspelt member": (
        sent(changed("/lines/0/discont_minor", 5)), 422, "unknown_member", "/data/lines/0/discont_minor",
    ),
    "an entity that is too long": (
        sent(changed("/contract_entity", "E" * 21)), 422, "max_length", "/data/contract_entity",
    ),
    "a party twice": (
        sent(changed("/parties", [order()["parties"][0]] * 2)), 422, "twice", "/data/parties/1/key",
    ),
    "a start on the last day of time": (
        sent(changed("/starts_on", "9999-12-31")), 422, "day_out_of_range", "/data/starts_on",
    ),
    "an invoice due before it is issued": (
        sent(invoice(due_on="2026-01-01"), type="InvoiceIssued"), 422, "dates_reversed", "/data/due_on",
    ),
    "an invoice's quantity of words": (
        sent(changed("/lines/0/quantity", "10 seats", invoice()), type="InvoiceIssued"), 422, "pattern",
        "/data/lines/0/quantity",
    ),
    "an invoice's quantity of NaN": (
        sent(changed("/lines/0/quantity", "NaN", invoice()), type="InvoiceIssued"), 422, "pattern",
        "/data/lines/0/quantity",
    ),
    "an invoice's quantity of a million digits": (
        sent(changed("/lines/0/quantity", "1e999999", invoice()), type="InvoiceIssued"), 422, "pattern",
        "/data/lines/0/quantity",
    ),
    "an invoice's quantity of nothing": (
        sent(changed("/lines/0/quantity", "", invoice()), type="InvoiceIssued"), 422, "pattern",
        "/data/lines/0/quantity",
    ),
    "an invoice line that ends before it starts": (
        sent(changed("/lines/0/service_ends_on", "2026-01-01", invoice()), type="InvoiceIssued"), 422, "dates_reversed",
        "/data/lines/0/service_ends_on",
    ),
    "an order to cancel without a day": (
        sent({"order_number": "SO-1"}, type="OrderCancelRequested"), 422, "missing", "/data/effective_on",
    ),
}  # fmt: skip

# Its brackets do not match, so nobody can say where the next event begins; and what is two items in an array.
BREAK_ARRAYS, TWO_ITEMS = {"cut off"}, {"NaN, and more after it"}


@pytest.mark.parametrize("what", BAD)
def test_an_event_that_cannot_be_taken(caller: Caller, what: str) -> None:
    body, status, code, pointer = BAD[what]
    answer = caller.post(EVENTS, body)
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json"), answer.content
    problem = answer.json()
    first = problem["errors"][0]
    assert (first["code"], first["pointer"]) == (code, pointer), problem
    assert first["detail"] and first["remedy"]
    assert not Event.objects.exists()
    case = Case.objects.get(id=problem["case"])
    assert (case.reason, case.source, case.state) == ("event_malformed", "webshop", "open")
    assert bytes(RawBody.objects.get(case=case).body) == body
    # Inside a batch of lines it spoils nothing. A body over several lines would be several items.
    if b"\n" not in body and body.strip():
        lines = caller.post(EVENTS, line("good-1") + b"\n" + body + b"\n" + line("good-2"), parsing.NDJSON)
        assert [each["status"] for each in lines.json()["results"]] == ["stored", "refused", "stored"]
        case.refresh_from_db()
        assert (Case.objects.count(), case.attempts) == (1, 2)
    # Nor inside an array, unless the array itself is broken by it.
    among = caller.post(EVENTS, b"[" + b", ".join([line("good-3"), body, line("good-4")]) + b"]", parsing.BATCH)
    if what in BREAK_ARRAYS:
        assert among.status_code == 400
    elif what not in TWO_ITEMS:
        assert [each["status"] for each in among.json()["results"]] == ["stored", "refused", "stored"]


def test_a_body_of_20_mb(caller: Caller) -> None:
    body = line().replace(b"Acme", b"A" * 20_000_000)
    answer = caller.post(EVENTS, body)
    assert (answer.status_code, answer.json()["most"]) == (413, parsing.EVENT_MAX)
    assert "Split it" in answer.json()["remedy"]
    one_line = caller.post(EVENTS, line("1") + b"\n" + body, parsing.NDJSON)
    assert [each["status"] for each in one_line.json()["results"]] == ["stored", "refused"]
    assert one_line.json()["results"][1]["errors"][0]["code"] == "too_large"


def test_an_order_of_20_mb(db: None) -> None:
    """No advice that is of no use to it: of orders, no lines are taken."""
    shop = Caller(ApiKey.make("webshop", ["q2c.add_order"])[1])
    body = json.dumps(order()).encode().replace(b"Acme", b"A" * 20_000_000)
    for query in ("", "?dry_run=true"):
        answer = shop.post(ORDERS + query, body, "application/json")
        assert (answer.status_code, answer["Content-Type"]) == (413, "application/problem+json"), answer.content[:200]
        problem = answer.json()
        assert (problem["type"], problem["most"]) == ("urn:q2c:problem:too-large", parsing.EVENT_MAX)
        assert problem["detail"] == f"The body has {len(body):,} bytes; at most 1,048,576 are taken here"
        assert problem["remedy"] == "Shorten its texts, or send it as several orders, each with a number of its own"
    assert not Event.objects.exists()
    assert not Case.objects.exists()


def test_every_fault_is_told_at_once(caller: Caller) -> None:
    data = changed("/currency", "USX")
    data["lines"][0]["quantity"] = "-5"
    del data["lines"][1]["product"]
    answer = caller.post(EVENTS, event(data=data, specversion="2", time="x", source="them"))
    assert {each["pointer"] for each in answer.json()["errors"]} == {
        "/specversion", "/time", "/source", "/data/currency", "/data/lines/0/quantity", "/data/lines/1/product",
    }  # fmt: skip


@pytest.mark.parametrize(
    "what", ["not JSON", "latin-1", "deep nesting", "1e400", "NaN", "duplicate keys", "a nul character"]
)
def test_an_order_that_cannot_be_read(what: str, db: None) -> None:
    shop = Caller(ApiKey.make("webshop", ["q2c.add_order"])[1])
    body, _, code, _ = BAD[what]
    answer = shop.post(ORDERS, body, "application/json")
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, code)


CONTROLS: dict[str, tuple[dict[str, Any], str, str]] = {
    "dates reversed": (
        changed("/lines/0/phases", [
            {"starts_on": "2027-02-01", "ends_on": "2026-02-01", "quantity": "10", "unit_price": "100"}
        ]), "billing_schedule_invalid", "/lines/0/phases",
    ),
    "a currency of another country": (changed("/groups/0/currency", "EUR"), "currency_not_allowed", "/groups/0"),
    "a product that is unknown": (changed("/lines/0/product", "NONE"), "product_unknown", "/lines/0/product"),
    "a customer that is unknown": (changed("/customer", "NONE"), "customer_unknown", "/customer"),
    "a line in no group": (changed("/lines/0/group", "eu"), "legal_entity_undetermined", "/lines/0/group"),
    "a line twice": (changed("/lines/1/line", 1), "", "/lines/1"),
    "a group twice": (changed("/groups", [order()["groups"][0], order()["groups"][0]]), "", "/groups/1"),
    "an amount that its prices do not make": (
        changed("/lines/0/amount_minor", 5), "price_mismatch", "/lines/0/amount_minor",
    ),
    "a customer above itself": (
        changed("/parties/0/parent", "C-ACME"), "customer_hierarchy_loop", "/customer",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", CONTROLS)
def test_an_order_that_contradicts_itself(what: str, db: None) -> None:
    company.found()
    company.services()
    shop = Caller(ApiKey.make("webshop", ["q2c.add_order"])[1])
    document, reason, pointer = CONTROLS[what]
    answer = shop.post(ORDERS + "?dry_run=true", document, "application/json")
    assert answer.status_code == 422, answer.content
    reasons = [each["reason"] for each in answer.json()["errors"]]
    assert "internal_error" not in reasons, answer.json()
    found = [each for each in answer.json()["errors"] if reason in ("", each["reason"])]
    assert found and any(each["pointer"].startswith(pointer) for each in found), answer.json()
    assert all(each["remedy"] and each["detail"] for each in answer.json()["errors"])


@settings(
    max_examples=150, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(body=st.one_of(st.binary(max_size=200), st.text(max_size=100).map(str.encode)), kind=st.sampled_from(
    [parsing.STRUCTURED, parsing.BATCH, parsing.NDJSON, parsing.JSON]))  # fmt: skip
def test_no_bytes_whatever_are_our_fault(caller: Caller, body: bytes, kind: str) -> None:
    headers = {"ce-id": "1", "ce-specversion": "1.0"} if kind == parsing.JSON else {}
    assert caller.post(EVENTS, body, kind, **headers).status_code < 500


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
_PLACES = ["/id", "/source", "/type", "/time", "/data", "/dataschema", "/correlationid", "/data/parties", "/data/parties/0",
           "/data/groups/0/ship_to", "/data/lines/0/phases", "/data/lines/0/usage", "/data/lines/1", "/data/starts_on",
           "/data/term_months", "/data/lines/0/amount_minor", "/data/order_number"]  # fmt: skip


@settings(
    max_examples=200, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(place=st.sampled_from(_PLACES), value=_JSON)
def test_no_document_whatever_is_our_fault(caller: Caller, place: str, value: Any) -> None:
    answer = caller.post(EVENTS, json.dumps(changed(place, value, event())).encode())
    assert answer.status_code in (202, 400, 403, 409, 422), answer.content
    run.drain("accept_order")
    assert not Case.objects.filter(reason="internal_error").exists()
