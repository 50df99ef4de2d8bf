"""One item as it came → a validated fact: CloudEvents 1.0, its payload checked against the schema of its type."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import re
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import msgspec

from q2c import clock, keys
from q2c.contracts import explain, schema, strict
from q2c.contracts.checks import CHECKS
from q2c.contracts.events import EVENTS, EventType
from q2c.contracts.strict import Fault, Faulty
from q2c.engine.emit import Incoming
from q2c.stages.not_theirs import FORBIDDEN

ITEM_MAX = 1024 * 1024
NAME_MAX = 200
# How far a sender's clock may be ahead of ours.
AHEAD_S_MAX = 600.0
_TYPE = re.compile(r"^([A-Za-z]{1,60})(?:\.v([0-9]{1,4}))?\Z")
_SCHEMA = re.compile(r"(?:^|/)([A-Za-z]{1,60})\.v([0-9]{1,4})\.json\Z")
_TIME = re.compile(r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\Z")
_PARENT = re.compile(r"^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\Z")
_JSON = re.compile(r"^application/(?:[\w.+-]+\+)?json\s*(?:;.*)?$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One event as it came. `attributes` are given where they came beside the payload; else `body` is the envelope.

    `reference` is what a platform that we read calls the record, in all of its versions.
    """

    body: bytes
    attributes: Mapping[str, Any] | None = None
    content_type: str = ""
    reference: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sender:
    """Who sends. Events carry `system`, or something below it, as their source.

    `may` says whether the sender has a right; None where it needs none, as our own connections. `api_key` is the key
    that it sends with, `person` who made that: their primary keys.
    """

    system: str
    actor: str
    correlation_id: uuid.UUID | None = None
    may: Callable[[str], bool] | None = None
    api_key: int | None = None
    person: int | None = None


class _Enveloped(msgspec.Struct):
    data: msgspec.Raw = msgspec.Raw(b"")


_enveloped = msgspec.json.Decoder(_Enveloped)
_payloads: dict[str, msgspec.json.Decoder[Any]] = {
    name: msgspec.json.Decoder(row.payload) for name, row in EVENTS.items()
}


def read(item: Item, sender: Sender) -> Incoming:
    """Raises Faulty with everything that is wrong with it."""
    if len(item.body) > ITEM_MAX:
        raise Faulty(
            Fault(
                code="too_large", detail=f"It has {len(item.body):,} bytes", seen=len(item.body),
                remedy=f"An event has at most {ITEM_MAX:,}; split it",
            )
        )  # fmt: skip
    document = strict.decode(item.body)
    if item.attributes is not None:
        return _incoming(item.attributes, document, item.body, sender, "", "", 0)
    if not isinstance(document, dict):
        raise Faulty(Fault(code="type", detail="An event is a JSON object", remedy="Send a CloudEvents envelope"))
    text = item.body.decode()
    if "data_base64" in document:
        raw = _from_base64(document)
        return _incoming(document, strict.decode(raw), raw, sender, "/data", text, len(text))
    raw = bytes(_enveloped.decode(item.body).data)
    if not raw:
        raise Faulty(*_attribute_faults(document), Fault(code="missing", pointer="/data", detail="data is missing",
                                                         remedy="Send the document as data"))  # fmt: skip
    written = raw.decode()
    at = text.index(written)
    return _incoming(document, document["data"], raw, sender, "/data", text[:at] + text[at + len(written) :], at)


@dataclass(frozen=True, slots=True)
class Said:
    """What an item says that cannot be taken: its attributes and its document, empty where that cannot be read.

    `occurred_at` is None where it says no time that can be.
    """

    source: str = ""
    id: str = ""
    type: str = ""
    document: Any = None
    occurred_at: dt.datetime | None = None


def said(item: Item) -> Said:
    """Whatever of it can be read, be it faulty. Raises nothing."""
    decoded: Any = {}
    with suppress(Faulty):
        decoded = strict.decode(item.body)
    attributes: Mapping[str, Any] = item.attributes or (decoded if isinstance(decoded, dict) else {})
    source, id_, type_ = (_printed(attributes.get(name)) for name in ("source", "id", "type"))
    document = decoded if item.attributes is not None else _data_of(attributes)
    return Said(source, id_, type_.partition(".")[0], document, _instant_or_none(attributes.get("time")))


def _instant_or_none(value: Any) -> dt.datetime | None:
    found: list[Fault] = []
    instant = _instant(value, found)
    return None if value is None or found or _ahead_faults(instant) else instant


def _printed(found: Any) -> str:
    return found[:NAME_MAX] if isinstance(found, str) and found.isprintable() else ""


def _data_of(document: Mapping[str, Any]) -> Any:
    """The document within an envelope that may be faulty; None where there is none that can be read."""
    try:
        raw = _from_base64(document) if "data_base64" in document else None
        return document.get("data") if raw is None else strict.decode(raw)
    except Faulty:
        return None


def _from_base64(document: Mapping[str, Any]) -> bytes:
    if "data" in document:
        raise Faulty(
            Fault(code="data_twice", pointer="/data_base64", detail="There is data, too", remedy="Send one of both")
        )
    try:
        return base64.b64decode(document["data_base64"], validate=True)
    except (binascii.Error, ValueError, TypeError):
        raise Faulty(
            Fault(code="not_base64", pointer="/data_base64", detail="It is not Base64", remedy="Send JSON as data")
        ) from None


def _incoming(
    attributes: Mapping[str, Any], document: Any, raw: bytes, sender: Sender, below: str, envelope: str, data_at: int
) -> Incoming:
    row, found = _type_of(attributes)
    found += _right_faults(row, sender)
    found += _attribute_faults(attributes)
    found += _source_faults(attributes, sender)
    occurred_at = _instant(attributes.get("time"), found)
    # A platform that we read ourselves has the clock it has: its changes follow each other by it alone.
    if sender.may is not None:
        found += _ahead_faults(occurred_at)
    payload: Any = None
    if row is not None:
        wrong = explain.faults(row.name, document)
        if not wrong:
            payload = _payload(row.name, raw, wrong)
        found += [_below(fault, below) for fault in wrong]
    if found or row is None:
        raise Faulty(*found)
    called = _correlation_of(attributes) or sender.correlation_id
    return Incoming(
        type=row.name,
        version=row.version,
        source=attributes["source"],
        source_id=attributes["id"],
        correlation_id=called or keys.new_id(),
        causation_id=_uuid(attributes.get("causationid")),
        occurred_at=occurred_at,
        raw=raw,
        payload=payload,
        envelope=envelope,
        data_at=data_at,
        api_key=sender.api_key,
        sent_by=sender.person,
        called=called,
    )


def _payload(type_: str, raw: bytes, wrong: list[Fault]) -> Any:
    try:
        payload = _payloads[type_].decode(raw)
    except msgspec.MsgspecError as error:
        # What the schema lets pass and the dataclass does not: 1.0 for a whole number, a day that is a date and time.
        text, _, path = str(error).partition(" - at `$")
        wrong.append(
            Fault(code="invalid", pointer=re.sub(r"[.\[]", "/", path.rstrip("`")).replace("]", ""), detail=text,
                  remedy="Send it as the schema of this event says")
        )  # fmt: skip
        return None
    wrong.extend(CHECKS[type_](payload) if type_ in CHECKS else ())
    return payload


def _below(fault: Fault, pointer: str) -> Fault:
    return Fault(
        code=fault.code, detail=fault.detail, pointer=pointer + fault.pointer, remedy=fault.remedy, seen=fault.seen
    )


def _attribute_faults(attributes: Mapping[str, Any]) -> list[Fault]:
    found = []
    if attributes.get("specversion") != "1.0":
        found.append(
            Fault(code="specversion", pointer="/specversion", detail="It is no event of CloudEvents 1.0",
                  remedy='Send "specversion": "1.0"', seen=explain.short(attributes.get("specversion")))
        )  # fmt: skip
    for name in ("id", "source"):
        value = attributes.get(name)
        if not isinstance(value, str) or not value.strip():
            found.append(
                Fault(code="missing", pointer=f"/{name}", detail=f"{name} is missing or no text",
                      remedy="Send the event's own id, the same again on each try" if name == "id" else
                      "Send the name of your system", seen=explain.short(value))
            )  # fmt: skip
        elif len(value) > NAME_MAX or not value.isprintable():
            found.append(
                Fault(code="invalid", pointer=f"/{name}", detail=f"{name} is too long or holds control characters",
                      remedy=f"Send at most {NAME_MAX} printable characters", seen=explain.short(value))
            )  # fmt: skip
    content_type = attributes.get("datacontenttype", "application/json")
    if not isinstance(content_type, str) or not _JSON.match(content_type):
        found.append(
            Fault(code="datacontenttype", pointer="/datacontenttype", detail="The data is not JSON",
                  remedy="Send JSON, and datacontenttype application/json", seen=explain.short(content_type))
        )  # fmt: skip
    return found


def _type_of(attributes: Mapping[str, Any]) -> tuple[EventType | None, list[Fault]]:
    """The row of EVENTS that type and dataschema name. Without a version it is version 1, for ever."""
    given = attributes.get("type")
    match = _TYPE.match(given) if isinstance(given, str) else None
    row = EVENTS.get(match[1]) if match else None
    if match is None or row is None or not row.inbound:
        inner = row is not None and not row.inbound
        return None, [
            Fault(code="unknown_type", pointer="/type", seen=explain.short(given),
                  detail="Only q2c itself says this" if inner else "There is no such type of event",
                  remedy=f"Send one of: {', '.join(schema.inbound())}")
        ]  # fmt: skip
    versions = {("/type", int(match[2]))} if match[2] else set()
    named = attributes.get("dataschema")
    if named not in (None, ""):
        found = _SCHEMA.search(named) if isinstance(named, str) else None
        if found is None or found[1] != row.name:
            return None, [
                Fault(code="unknown_schema", pointer="/dataschema", detail="This is not the schema of the type",
                      remedy=f"Send {schema.ADDRESS}{schema.name_of(row.name)}, or leave it out",
                      seen=explain.short(named))
            ]  # fmt: skip
        versions.add(("/dataschema", int(found[2])))
    for pointer, version in sorted(versions or {("/type", 1)}):
        if version != row.version:
            return None, [
                Fault(code="unknown_version", pointer=pointer, seen=version,
                      detail=f"{row.name} has no version {version} here",
                      remedy=f"Send version {row.version}: {schema.ADDRESS}{schema.name_of(row.name)}")
            ]  # fmt: skip
    return row, []


def _right_faults(row: EventType | None, sender: Sender) -> list[Fault]:
    if row is None or not row.right or sender.may is None or sender.may(row.right):
        return []
    return [
        Fault(code=FORBIDDEN, pointer="/type", detail=f"{row.name} needs the right {row.right}, too",
              remedy=f"Ask for a key with the scope {row.right}", seen=row.name)
    ]  # fmt: skip


def _source_faults(attributes: Mapping[str, Any], sender: Sender) -> list[Fault]:
    source = attributes.get("source")
    if not isinstance(source, str) or source == sender.system or source.startswith(f"{sender.system}/"):
        return []
    return [
        Fault(code="source_not_yours", pointer="/source", detail=f"This key belongs to {sender.system}",
              remedy=f"Send {sender.system}, or {sender.system}/…, as source", seen=explain.short(source))
    ]  # fmt: skip


def _instant(value: Any, found: list[Fault]) -> dt.datetime:
    """When it happened; now where it does not say."""
    if value is None:
        return clock.now()
    try:
        if not isinstance(value, str) or not _TIME.match(value):
            raise ValueError
        # Nanoseconds are cut off; microseconds are kept.
        instant = dt.datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", value.upper()))
        if not 1970 <= instant.year <= 9000:
            raise ValueError
    except ValueError:
        found.append(
            Fault(code="time", pointer="/time", detail="It is no instant of RFC 3339", seen=explain.short(value),
                  remedy="Send 2026-12-31T23:59:59Z, or leave it out")
        )  # fmt: skip
        return clock.now()
    return instant


def _ahead_faults(instant: dt.datetime) -> list[Fault]:
    """The newest version of an order counts: one from the future would silence all that follow."""
    if instant <= clock.now() + clock.seconds(AHEAD_S_MAX):
        return []
    return [
        Fault(code="time_ahead", pointer="/time", seen=instant.isoformat(),
              detail=f"It lies ahead of our clock, {clock.now():%Y-%m-%dT%H:%M:%SZ}",
              remedy="Send when it happened: set the sender's clock, or leave time out")
    ]  # fmt: skip


def _correlation_of(attributes: Mapping[str, Any]) -> uuid.UUID | None:
    given = _uuid(attributes.get("correlationid"))
    if given is not None:
        return given
    parent = attributes.get("traceparent")
    match = _PARENT.match(parent) if isinstance(parent, str) else None
    return uuid.UUID(match[1]) if match else None


def _uuid(value: Any) -> uuid.UUID | None:
    try:
        return uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
