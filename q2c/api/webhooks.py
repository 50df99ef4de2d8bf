"""What platforms push: POST /webhooks/<connection>. A push that verifies is remembered and its record fetched soon."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from q2c.api import parsing
from q2c.api.problems import Problem, guarded
from q2c.api.replies import json_reply
from q2c.connectors.salesforce import webhook as salesforce
from q2c.connectors.zuora import webhook as zuora
from q2c.engine import callouts
from q2c.models import Connection

BODY_MAX = 64 * 1024


def _salesforce(headers: Mapping[str, str], body: bytes, credentials: Mapping[str, str]) -> list[str]:
    secret = credentials.get("webhook_secret", "")
    if not secret:
        raise Problem(403, "no_webhook", "This connection has no webhook_secret", remedy="Store one with it")
    try:
        return salesforce.verify(headers, body, secret)
    except salesforce.PushRefused as refused:
        raise Problem(401, "signature", str(refused), remedy="Sign it as Standard Webhooks, with our secret") from None


def _zuora(headers: Mapping[str, str], body: bytes, credentials: Mapping[str, str]) -> list[str]:
    try:
        return [zuora.verify(headers, body, credentials).reference]
    except zuora.CalloutRefused as refused:
        raise Problem(refused.status, "callout", str(refused), headers=refused.headers) from None


# Each verifies first, and says which records to fetch.
VENDORS: dict[str, Callable[[Mapping[str, str], bytes, Mapping[str, str]], list[str]]] = {
    "salesforce": _salesforce,
    "zuora": _zuora,
}


@csrf_exempt
@guarded
def post(request: HttpRequest, name: str) -> HttpResponse:
    """Signed as the vendor signs; there is no other right."""
    if request.method != "POST":
        raise Problem(405, "method_not_allowed", "Only POST is there", headers={"Allow": "POST"})
    body = parsing.body_of(request, BODY_MAX)
    connection = Connection.objects.filter(name=name, active=True, vendor__in=VENDORS).first()
    if connection is None:
        raise Problem(404, "not_found", "No connection of this name takes pushes")
    references = VENDORS[connection.vendor](request.headers, body, connection.config().credentials)
    callouts.call_out(connection, references, request.correlation_id)  # type: ignore[attr-defined]
    # Zuora takes only a 200 for an answer, and calls out again after anything else.
    return json_reply({"accepted": len(references)}, 200)


post.right = "signature"  # type: ignore[attr-defined]
post.methods = ("POST",)  # type: ignore[attr-defined]
