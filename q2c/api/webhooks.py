"""What platforms push: POST /webhooks/<connection>. A push that verifies is remembered and its record fetched soon."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from q2c.api import parsing
from q2c.api.problems import Problem, guarded
from q2c.api.replies import json_reply
from q2c.connectors import registry
from q2c.connectors.pushes import PushRefused
from q2c.engine import callouts
from q2c.models import Connection

BODY_MAX = 64 * 1024


@csrf_exempt
@guarded
def post(request: HttpRequest, name: str) -> HttpResponse:
    """Signed as the vendor signs; there is no other right."""
    if request.method != "POST":
        raise Problem(405, "method_not_allowed", "Only POST is there", headers={"Allow": "POST"})
    body = parsing.body_of(request, BODY_MAX)
    connection = Connection.objects.filter(name=name, active=True, vendor__in=registry.PUSHING).first()
    if connection is None:
        raise Problem(404, "not_found", "No connection of this name takes pushes")
    read = registry.references_of(connection.vendor)
    try:
        references = read(request.headers, body, connection.config().credentials)
    except PushRefused as refused:
        raise Problem(
            refused.status, "push_refused", str(refused), remedy=refused.remedy, headers=refused.headers
        ) from None
    callouts.call_out(connection, references, request.correlation_id)  # type: ignore[attr-defined]
    # Zuora takes only a 200 for an answer, and calls out again after anything else.
    return json_reply({"accepted": len(references)}, 200)


post.right = "signature"  # type: ignore[attr-defined]
post.methods = ("POST",)  # type: ignore[attr-defined]
