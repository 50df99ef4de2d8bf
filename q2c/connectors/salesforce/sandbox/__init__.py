"""A stand-in Salesforce org: OAuth, SOQL, sobjects, composite, limits, and a signed push when a deal is won."""

from __future__ import annotations

from typing import Any

from q2c.connectors.salesforce.sandbox import auth, querying, rest, seeding
from q2c.connectors.salesforce.sandbox.composite import Composite
from q2c.connectors.salesforce.sandbox.org import error, org_of, refusal
from q2c.connectors.salesforce.sandbox.push import enqueue_won
from q2c.connectors.salesforce.sandbox.writing import Refused
from q2c.connectors.sandbox_kit import Answer, Fault, Record, Request, Sandbox, Store
from q2c.connectors.sandbox_kit.app import Handler

sandbox = Sandbox("salesforce", "Salesforce")
sandbox.seed = seeding.seed  # type: ignore[assignment]
sandbox.on_control = {
    "close-won": seeding.close_won,
    "push": seeding.push,
    "expire-tokens": seeding.expire_tokens,
}
sandbox.editable = {
    "Account": ("Name", "Active__c"),
    "Opportunity": ("Order_Number__c", "StageName", "Contract_Entity__c"),
    "Product2": ("ProductCode", "IsActive"),
}
sandbox.before = auth.admit
sandbox.token_expired = lambda fault: auth.expired()
sandbox.too_many = lambda fault: auth.over_limit()
sandbox.unavailable = lambda fault: error(503, "SERVER_UNAVAILABLE", "The server is temporarily unavailable")


def _edit(store: Store, record: Record, fields: dict[str, Any]) -> None:
    """As a user of the org would: stamps move, derived fields follow, a deal that is won is pushed."""
    org = org_of(store)
    try:
        org.update(org.sobject(record.kind), record.id, fields)
    except Refused as refused:
        raise refusal(refused) from None
    org.finish()
    enqueue_won(store, org.won)


def _business_failure(fault: Fault, request: Request) -> Answer:
    if request.method == "GET":
        return error(403, "INSUFFICIENT_ACCESS_OR_READONLY", "insufficient access rights on this object")
    return error(400, "FIELD_CUSTOM_VALIDATION_EXCEPTION", "A validation rule of the org refuses this record")


sandbox.edit = _edit
sandbox.business_failure = _business_failure


def _headers(request: Request) -> dict[str, str]:
    usage = request.environ.get("salesforce.usage")
    return {"Sforce-Limit-Info": usage} if usage else {}


def _not_found(request: Request) -> Answer:
    known = any(route.pattern.match(request.path) for route in sandbox.routes)
    if known:
        return error(405, "METHOD_NOT_ALLOWED", f"HTTP Method '{request.method}' not allowed.")
    return error(404, "NOT_FOUND", "The requested resource does not exist")


sandbox.default_headers = _headers
sandbox.not_found = _not_found


def _answered(handler: Handler) -> Handler:
    """The platform's refusals as its error array; what the handler wrote is undone."""

    def run(request: Request, store: Store) -> Answer:
        try:
            return handler(request, store)
        except Refused as refused:
            raise refusal(refused) from None

    return run


_DATA = "/services/data/{version}"
for _method, _path, _operation, _handler in (
    ("POST", "/services/oauth2/token", "token", auth.token),
    ("GET", f"{_DATA}/limits", "limits", auth.limits),
    ("GET", f"{_DATA}/query", "query", querying.query),
    ("GET", f"{_DATA}/query/{{locator}}", "query_more", querying.more),
    ("GET", f"{_DATA}/queryAll", "query_all", querying.query_all),
    ("POST", f"{_DATA}/composite", "composite", Composite(sandbox)),
    ("POST", f"{_DATA}/sobjects/{{name}}", "create", rest.create),
    ("GET", f"{_DATA}/sobjects/{{name}}/describe", "describe", rest.described),
    ("GET", f"{_DATA}/sobjects/{{name}}/updated", "updated", rest.updated),
    ("GET", f"{_DATA}/sobjects/{{name}}/deleted", "deleted", rest.deleted),
    ("GET", f"{_DATA}/sobjects/{{name}}/{{id}}", "read", rest.read),
    ("PATCH", f"{_DATA}/sobjects/{{name}}/{{id}}", "update", rest.update),
    ("DELETE", f"{_DATA}/sobjects/{{name}}/{{id}}", "delete", rest.delete),
    ("GET", f"{_DATA}/sobjects/{{name}}/{{field}}/{{value}}", "read", rest.by_external_id),
    ("PATCH", f"{_DATA}/sobjects/{{name}}/{{field}}/{{value}}", "upsert", rest.upsert),
):
    sandbox.route(_method, _path, _operation)(_handler if isinstance(_handler, Composite) else _answered(_handler))
