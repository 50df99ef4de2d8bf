"""Errors of the API: RFC 9457 problem details, with a pointer to each wrong member and what to do about it."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from django.core.exceptions import DisallowedHost, PermissionDenied, SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.views.decorators.csrf import csrf_exempt
from rest_framework import exceptions as drf
from rest_framework.response import Response

from exceptions.errors import NotPossible, QueryError
from q2c.contracts.strict import Fault, Faulty

log = logging.getLogger(__name__)

PREFIX = "/api/"
MEDIA_TYPE = "application/problem+json"
# What is read of a body that is refused.
HEARD_MAX = 64 * 1024 * 1024
TITLES = {
    400: "This cannot be read",
    401: "Who are you?",
    403: "A right is missing",
    404: "There is no such thing",
    405: "Not with this method",
    406: "Not in this format",
    409: "It contradicts what is here",
    411: "The length is missing",
    413: "This is too large",
    415: "Not in this format",
    422: "This cannot be taken",
    429: "Too much at once",
    500: "Something broke here",
    503: "Not now",
}


class Problem(Exception):
    """Ends a request with problem details. `code` names the kind for programs, `detail` is for people."""

    def __init__(
        self, status: int, code: str, detail: str, *, remedy: str = "", faults: Sequence[Fault] = (),
        headers: Mapping[str, str] | None = None, **more: Any,
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.status, self.code, self.detail, self.remedy = status, code, detail, remedy
        self.faults, self.headers, self.more = tuple(faults), dict(headers or {}), more

    def body(self, request: HttpRequest | None = None) -> dict[str, Any]:
        found: dict[str, Any] = {
            "type": f"urn:q2c:problem:{self.code.replace('_', '-')}",
            "title": TITLES.get(self.status, "It did not work"),
            "status": self.status,
            "detail": self.detail,
        }
        if self.remedy:
            found["remedy"] = self.remedy
        if request is not None:
            found["instance"] = request.path
            found["correlation_id"] = str(getattr(request, "correlation_id", ""))
        if self.faults:
            found["errors"] = [described(fault) for fault in self.faults]
        return found | self.more

    def response(self, request: HttpRequest | None = None) -> HttpResponse:
        return HttpResponse(
            msgspec.json.encode(self.body(request)), status=self.status, content_type=MEDIA_TYPE, headers=self.headers
        )


def described(fault: Fault) -> dict[str, Any]:
    """One member of `errors`; `pointer` is a JSON pointer (RFC 6901) into the body that was sent."""
    return {
        "code": str(fault.code),
        "pointer": fault.pointer,
        "detail": fault.detail,
        "seen": fault.seen,
        "remedy": fault.remedy,
    }


def guarded(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A plain view whose errors leave as problem details, the unforeseen ones, too."""

    @functools.wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Exception as error:
            problem = _problem_of(error)
            _hear_out(request)
            return problem.response(request)

    return answer


def _hear_out(request: HttpRequest) -> None:
    """A sender that is still sending never sees an answer: its connection breaks first."""
    left = HEARD_MAX
    try:
        while left > 0 and (chunk := request.read(64 * 1024)):
            left -= len(chunk)
    except (OSError, RawPostDataException):
        # It is gone, or the body was read.
        return


def handler(error: Exception, context: Mapping[str, Any]) -> Response:
    """Named in REST_FRAMEWORK."""
    request = context["request"]._request
    problem = _problem_of(error)
    return Response(problem.body(request), status=problem.status, headers=problem.headers, content_type=MEDIA_TYPE)


def answer(error: BaseException | None, request: HttpRequest) -> HttpResponse:
    """For what ends before a view of the API has it."""
    return _problem_of(error).response(request)


def _problem_of(error: BaseException | None) -> Problem:
    match error:
        case Problem():
            return error
        case Faulty(faults=faults):
            return Problem(400, faults[0].code, faults[0].detail, faults=faults)
        case QueryError(text=text, choices=choices):
            return Problem(400, "query", text, remedy=", ".join(choices))
        case NotPossible(text=text, field=field, remedy=remedy) if field:
            fault = Fault(code="not_possible", pointer=f"/{field}", detail=text, remedy=remedy)
            return Problem(422, "not_possible", text, remedy=remedy, faults=[fault])
        case NotPossible(text=text):
            return Problem(409, "not_possible", text)
        case Http404() | drf.NotFound():
            return Problem(404, "not_found", "Nothing is there, or you may not see it")
        case drf.APIException():
            return _of_framework(error)
        case PermissionDenied():
            right = getattr(error, "right", "")
            remedy = f"Ask for the right {right}" if right else ""
            return Problem(403, "forbidden", str(error) or "You may not do this", remedy=remedy)
        case DisallowedHost():
            remedy = "Send it to the address in Q2C_PUBLIC_URL, or add the name to Q2C_ALLOWED_HOSTS"
            return Problem(400, "host", "This server does not answer to the Host that was sent", remedy=remedy)
        case SuspiciousOperation():
            return Problem(400, "unreadable", str(error) or "The request cannot be read")
        # Not the database's own OperationalError alone: a pool without a connection to give says so, too.
        case OperationalError() | InterfaceError():
            log.error("the database does not answer", exc_info=error)
            return Problem(
                503, "not_now", "The database does not answer, so nothing could be kept",
                remedy="Send it again under the same ids", headers={"Retry-After": "5"},
            )  # fmt: skip
    log.error("request failed", exc_info=error)
    return Problem(
        500, "internal_error", "The fault is ours; nothing of this request was kept unless it is answered elsewhere",
        remedy="Send it again under the same ids; tell the platform team the correlation id if it stays",
    )  # fmt: skip


def _of_framework(error: drf.APIException) -> Problem:
    headers: dict[str, str] = {}
    if header := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = header
    if isinstance(error, drf.ValidationError):
        faults = list(_faults_in(error.detail, ""))
        return Problem(400, "invalid", "Some of it is wrong", faults=faults)
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else "invalid"
    remedy = ""
    if isinstance(error, drf.NotAuthenticated | drf.AuthenticationFailed):
        headers.setdefault("WWW-Authenticate", "Bearer")
        remedy = "Send an API key: Authorization: Bearer q2c_…"
    return Problem(error.status_code, code,
                   str(error.detail), remedy=remedy, headers=headers)  # fmt: skip


def _faults_in(detail: Any, pointer: str) -> Any:
    """DRF's nested errors as a flat list with pointers."""
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _faults_in(inner, f"{pointer}/{name}")
    elif isinstance(detail, list):
        for inner in detail:
            yield from _faults_in(inner, pointer)
    else:
        yield Fault(code=getattr(detail, "code", "invalid"), pointer=pointer, detail=str(detail))


# Whoever posts there gets the same answer, and none about forms.
@csrf_exempt
@guarded
def not_found(request: HttpRequest, rest: str = "") -> HttpResponse:
    """What no address of the API is."""
    raise Problem(404, "no_such_address", f"The API has no address {request.path}", remedy="See /api/v1/docs")


not_found.right = "public"  # type: ignore[attr-defined]
