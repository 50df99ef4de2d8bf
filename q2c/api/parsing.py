"""Bodies: bounded, whole, in the format that was announced; JSON read strictly."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
from django.http import HttpRequest, UnreadablePostError
from rest_framework.parsers import BaseParser

from q2c.api.problems import Problem
from q2c.contracts import strict
from q2c.engine.intake import Item

MIB = 1024 * 1024
EVENT_MAX, BATCH_MAX, LINES_MAX = 1 * MIB, 16 * MIB, 40 * MIB
BATCH_ITEMS_MAX, LINE_ITEMS_MAX = 1000, 10_000
STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
NDJSON = "application/x-ndjson"
JSON = "application/json"
# Faults that are about the writing, not about what it says.
UNREADABLE = {
    "not_json", "not_utf8", "duplicate_key", "not_a_number", "number_out_of_range", "number_too_long", "too_deep",
    "byte_order_mark", "empty", "nul_character", "half_character",
}  # fmt: skip
_IN_LINES = f"Split it, or send {NDJSON} with up to {LINE_ITEMS_MAX:,} lines in {LINES_MAX // MIB} MiB"
_CHARSET = re.compile(r'charset="?([\w-]+)"?', re.IGNORECASE)


class StrictJSONParser(BaseParser):
    """For views of the framework: application/json."""

    media_type = JSON

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:
        request = parser_context["request"]._request if parser_context else None
        return strict.decode(body_of(request, EVENT_MAX) if request is not None else stream.read())


def body_of(request: HttpRequest, most: int, *, shorter: str = "Send a shorter one") -> bytes:
    """The body, at most so many bytes. Problem 411, 413 (`shorter` is its remedy), 415 or 400."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise Problem(415, "content_encoding", "Compressed bodies are not taken", remedy="Send it uncompressed")
    charset = _CHARSET.search(request.headers.get("Content-Type", ""))
    if charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii"):
        raise Problem(415, "charset", f"The charset {charset[1]} is not taken", remedy="Send UTF-8")
    given = request.META.get("CONTENT_LENGTH") or ""
    if not given.isdigit():
        raise Problem(411, "length_required", "Content-Length is missing", remedy="Send Content-Length, not chunks")
    if int(given) > most:
        raise Problem(
            413, "too_large", f"The body has {int(given):,} bytes; at most {most:,} are taken here", remedy=shorter,
            most=most,
        )  # fmt: skip
    try:
        body = request.body
    except (UnreadablePostError, OSError):
        raise Problem(400, "cut_off", "The body ended before its length", remedy="Send it again") from None
    if len(body) < int(given):
        raise Problem(400, "cut_off", "The body ended before its length", remedy="Send it again")
    return body


def media_type_of(request: HttpRequest) -> str:
    return (request.content_type or "").lower()


def items_of(request: HttpRequest) -> tuple[list[Item], str]:
    """The events of a request and the format they came in: STRUCTURED, BATCH, NDJSON, or JSON for binary mode."""
    kind = media_type_of(request)
    if kind == NDJSON:
        return _lines(body_of(request, LINES_MAX, shorter=_IN_LINES)), kind
    if kind == BATCH:
        return _batch(body_of(request, BATCH_MAX, shorter=_IN_LINES))
    if kind == STRUCTURED:
        return [Item(body=body_of(request, EVENT_MAX, shorter=_IN_LINES), content_type=kind)], kind
    if "ce-specversion" in request.headers or "ce-id" in request.headers:
        body = body_of(request, EVENT_MAX, shorter=_IN_LINES)
        attributes = {
            # What is no UTF-8 stays to be told: replaced, two ids would become one.
            name[3:].lower(): unquote(value, errors="surrogateescape")
            for name, value in request.headers.items()
            if name[:3].lower() == "ce-"
        }
        attributes["datacontenttype"] = request.headers.get("Content-Type", "")
        return [Item(body=body, attributes=attributes, content_type=kind)], JSON
    raise Problem(
        415, "content_type", f"Events do not come as {kind or 'nothing'}",
        remedy=f"Send {STRUCTURED}, {BATCH}, {NDJSON}, or {JSON} with ce- headers (binary mode)",
    )  # fmt: skip


def _lines(body: bytes) -> list[Item]:
    """Blank lines are none; every other line is kept as it is."""
    items = [Item(body=line, content_type=NDJSON) for line in body.split(b"\n") if line.strip()]
    if len(items) > LINE_ITEMS_MAX:
        raise _too_many(len(items), LINE_ITEMS_MAX, "lines")
    return items


def _batch(body: bytes) -> tuple[list[Item], str]:
    """The items of the array, each byte for byte, also where one is no JSON. What is no array is one bad event."""
    try:
        found: list[bytes] | None = [bytes(each) for each in _raws.decode(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        found = _cut(body)
    if found is None:
        return [Item(body=body, content_type=BATCH)], STRUCTURED
    if len(found) > BATCH_ITEMS_MAX:
        raise _too_many(len(found), BATCH_ITEMS_MAX, "events")
    return [Item(body=each, content_type=BATCH) for each in found], BATCH


_raws = msgspec.json.Decoder(list[msgspec.Raw])
# A text to its end, or what opens, parts and closes.
# Possessive, so that a text of megabytes keeps no place to go back to.
_MARKS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)


def _cut(body: bytes) -> list[bytes] | None:
    """An array at the commas of its first level, whatever stands between them; None where brackets do not match."""
    text = body.strip()
    if not (text.startswith(b"[") and text.endswith(b"]")):
        return None
    depth, begins, found = 0, 1, []
    for mark in _MARKS.finditer(text):
        what = mark[0]
        if what == b'"':
            return None
        if what in b"[{":
            depth += 1
        elif what in b"]}":
            depth -= 1
            if depth < 1 and mark.end() < len(text):
                return None
        if (what == b"," and depth == 1) or depth == 0:
            found.append(text[begins : mark.start()].strip())
            begins = mark.end()
            if len(found) > BATCH_ITEMS_MAX:
                # Whoever sends commas by the million is not counted to the end.
                return found
    return found if depth == 0 else None


def _too_many(count: int, most: int, what: str) -> Problem:
    return Problem(
        413, "too_many", f"{count:,} {what} are too many", remedy=f"Send at most {most:,} at once; nothing was taken",
        most=most,
    )  # fmt: skip
