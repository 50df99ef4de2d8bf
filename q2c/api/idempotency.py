"""Idempotency-Key: a request sent again is answered as before, and does nothing again."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse

from q2c import clock, keys
from q2c.api.authentication import KeyHolder
from q2c.api.problems import MEDIA_TYPE, Problem
from q2c.models import IdempotencyRecord

HEADER = "Idempotency-Key"
# A request that has not ended by then was lost with its process.
LOST_AFTER_S = 120

_CLAIM = """
INSERT INTO q2c_idempotencyrecord (api_key, key, request_hash, status, body, at) VALUES (%s, %s, %s, NULL, '', %s)
ON CONFLICT (api_key, key) DO UPDATE SET at = excluded.at
  WHERE q2c_idempotencyrecord.status IS NULL AND q2c_idempotencyrecord.at < %s
    AND q2c_idempotencyrecord.request_hash = excluded.request_hash
RETURNING id
"""


def once(
    request: HttpRequest, holder: KeyHolder, body: bytes, act: Callable[[], HttpResponse], *, calls_out: bool = False
) -> HttpResponse:
    """Act and keep the answer; or give the one that was kept. Without the header just act.

    Answer and deed are committed together, unless the deed calls platforms, which no transaction may be open for.
    """
    given = request.headers.get(HEADER)
    if given is None:
        return act()
    if not 1 <= len(given) <= 255 or not given.isascii() or not given.isprintable():
        raise Problem(400, "idempotency_key", f"{HEADER} is empty, too long or no plain text", remedy="Send a UUID")
    said = f"{request.method} {request.get_full_path()} {request.content_type}\n".encode()
    mark = keys.fingerprint(said + b"\x00".join(_attributes(request)) + b"\n" + body)
    if calls_out:
        return _in_two(holder, given, mark, act)
    with transaction.atomic():
        record = _claim(holder, given, mark)
        if isinstance(record, HttpResponse):
            return record
        return _kept(record, act())


def _attributes(request: HttpRequest) -> list[bytes]:
    """In binary mode part of the event stands in headers."""
    return sorted(f"{n}:{v}".encode() for n, v in request.headers.items() if n[:3].lower() == "ce-")


def _in_two(holder: KeyHolder, given: str, mark: bytes, act: Callable[[], HttpResponse]) -> HttpResponse:
    record = _claim(holder, given, mark)
    if isinstance(record, HttpResponse):
        return record
    try:
        return _kept(record, act())
    except BaseException:
        IdempotencyRecord.objects.filter(pk=record, status=None).delete()
        raise


def _claim(holder: KeyHolder, given: str, mark: bytes) -> int | HttpResponse:
    """The record's id, ours now; or the answer that was given before."""
    now, owner = clock.now(), str(holder.key.pk)
    with connection.cursor() as cursor:
        # A second request under the same key waits here until the first has committed.
        cursor.execute(_CLAIM, [owner, given, mark, now, now - clock.seconds(LOST_AFTER_S)])
        row = cursor.fetchone()
    if row is not None:
        return int(row[0])
    there = IdempotencyRecord.objects.get(api_key=owner, key=given)
    if bytes(there.request_hash) != mark:
        raise Problem(
            422, "idempotency_key_reused", f"Another request has used the {HEADER} {given}",
            remedy="Send a new key with a new request",
        )  # fmt: skip
    if there.status is None:
        raise Problem(
            409, "still_at_work", "The first request under this key is still at work", remedy="Ask again",
            headers={"Retry-After": "1"},
        )  # fmt: skip
    kind = MEDIA_TYPE if there.status >= 400 else "application/json"
    headers = {"Idempotency-Replayed": "true"} | ({"Location": there.location} if there.location else {})
    return HttpResponse(there.body, status=there.status, content_type=kind, headers=headers)


def _kept(record: int, response: HttpResponse) -> HttpResponse:
    if response.status_code < 500:
        IdempotencyRecord.objects.filter(pk=record).update(
            status=response.status_code,
            body=response.content.decode(),
            at=clock.now(),
            location=response.headers.get("Location", ""),
        )
    else:
        IdempotencyRecord.objects.filter(pk=record).delete()
    return response
