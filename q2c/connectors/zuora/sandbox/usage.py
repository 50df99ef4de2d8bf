"""Usage: one row by the object address, many by action/create, a CSV file, or control."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from q2c.connectors.sandbox_kit import Answer, Refused, Request, Store
from q2c.connectors.zuora.sandbox import running
from q2c.connectors.zuora.sandbox.answers import INVALID, USAGE, Failure, new_id, object_of, page_of

BATCH_MAX = 50
CSV_NAMES = {
    "ACCOUNT_ID": "AccountNumber", "UOM": "UOM", "QTY": "Quantity", "STARTDATE": "StartDateTime",
    "ENDDATE": "EndDateTime", "SUBSCRIPTION_ID": "SubscriptionNumber", "CHARGE_ID": "ChargeNumber",
    "DESCRIPTION": "Description",
}  # fmt: skip
NAMES = ("AccountNumber", "UOM", "Quantity", "StartDateTime")


class Wrong(ValueError):
    """One row is not taken: `code` as the object addresses name it."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code

    def row(self) -> dict[str, Any]:
        return {"Success": False, "Errors": [{"Code": self.code, "Message": str(self)}]}


def put(store: Store, rows: Iterable[dict[str, Any]]) -> list[str]:
    """Usage rows as POST /v1/object/usage takes them; the accounts they touch are billed anew by the next run."""
    ids, accounts = [], set()
    for row in rows:
        record = store.add("usage", new_id(), _checked(store, row))
        ids.append(record.id)
        accounts.add(record.body["AccountNumber"])
    running.touch_for_usage(store, accounts)
    return ids


def _checked(store: Store, row: dict[str, Any]) -> dict[str, Any]:
    given = dict(row)
    if given.get("AccountId") and not given.get("AccountNumber"):
        by_id = store.get("account", str(given["AccountId"]), hidden=True)
        given["AccountNumber"] = by_id.number if by_id else ""
    for name in NAMES:
        if given.get(name) in (None, ""):
            raise Wrong("MISSING_REQUIRED_VALUE", f"Missing required value: {name}")
    if store.by_number("account", str(given["AccountNumber"]), hidden=True) is None:
        raise Wrong("INVALID_VALUE", f"The account number {given['AccountNumber']} is invalid.")
    subscription = given.get("SubscriptionNumber")
    if subscription and store.by_number("subscription", str(subscription), hidden=True) is None:
        raise Wrong("INVALID_VALUE", f"The subscription number {subscription} is invalid.")
    try:
        given["Quantity"] = Decimal(str(given["Quantity"]))
        dt.datetime.fromisoformat(str(given["StartDateTime"]))
    except (InvalidOperation, ValueError):
        raise Wrong("INVALID_VALUE", "Quantity must be a number and StartDateTime an instant.") from None
    return given


def create(request: Request, store: Store) -> Answer:
    """POST /v1/object/usage."""
    try:
        return Answer(200, {"Success": True, "Id": put(store, [object_of(request)])[0]})
    except Wrong as wrong:
        raise Refused(Answer(400, wrong.row())) from None


def create_many(request: Request, store: Store) -> Answer:
    """POST /v1/action/create of type Usage: each object has its own result, in order."""
    given = object_of(request)
    objects = given.get("objects") or []
    if given.get("type") != "Usage" or not 0 < len(objects) <= BATCH_MAX:
        error = {"Code": "INVALID_TYPE", "Message": f"type must be Usage, with 1 to {BATCH_MAX} objects"}
        return Answer(400, [{"Success": False, "Errors": [error]}])
    broken = "partial_failure" in request.environ.get("q2c.faults", {})
    results: list[dict[str, Any]] = []
    for number, row in enumerate(objects):
        try:
            if broken and number == len(objects) - 1:
                raise Wrong("LOCK_COMPETITION", "The operation failed because of lock competition.")
            results.append({"Success": True, "Id": put(store, [row])[0]})
        except Wrong as wrong:
            results.append(wrong.row())
    return Answer(200, results)


def upload(request: Request, store: Store) -> Answer:
    """POST /v1/usage: a CSV file, all or nothing."""
    name, content = _file(request)
    state = {"status": "Completed", "message": ""}
    try:
        with store.connection.transaction():
            put(store, [_of_csv(row) for row in csv.DictReader(io.StringIO(content.decode("utf-8-sig")))])
    except (Wrong, ValueError) as wrong:
        state = {"status": "Failed", "message": str(wrong)}
    record = store.add("usage_import", new_id(), {**state, "name": name, "size": len(content)})
    body = {"success": True, "size": len(content), "checkImportStatus": f"/v1/usage/{record.id}/status"}
    return Answer(200, body)


def _file(request: Request) -> tuple[str, bytes]:
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + request.body)
    for part in message.iter_parts() if message.is_multipart() else ():
        if part.get_param("name", header="content-disposition") == "file":
            content = part.get_payload(decode=True)
            return part.get_filename() or "usage.csv", content if isinstance(content, bytes) else b""
    raise Failure(USAGE, INVALID, "The request has no part named 'file'")


def _of_csv(row: dict[str, str]) -> dict[str, Any]:
    given = {CSV_NAMES[name]: value for name, value in row.items() if name in CSV_NAMES and value}
    for name in ("StartDateTime", "EndDateTime"):
        if "/" in given.get(name, ""):
            given[name] = dt.datetime.strptime(given[name][:10], "%m/%d/%Y").date().isoformat()  # noqa: DTZ007
    return given


def status(request: Request, store: Store) -> Answer:
    """GET /v1/usage/{id}/status."""
    found = store.get("usage_import", request.vars["id"])
    if found is None:
        raise Failure(USAGE, 40, f"Cannot find entity by key: '{request.vars['id']}'.")
    return Answer(200, {"success": True, "importStatus": found.body["status"], "message": found.body["message"]})


def of_account(request: Request, store: Store) -> Answer:
    """GET /v1/usage/accounts/{key}."""
    found = store.all("usage", "body->>'AccountNumber' = %s", [request.vars["key"]])
    rows, following = page_of(request, [_listed(each.id, each.body) for each in found])
    body: dict[str, Any] = {"usage": rows, "success": True}
    return Answer(200, body if following is None else {**body, "nextPage": following})


def _listed(id_: str, body: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": id_, "accountNumber": body["AccountNumber"], "unitOfMeasure": body["UOM"], "quantity": body["Quantity"],
        "startDateTime": body["StartDateTime"], "subscriptionNumber": body.get("SubscriptionNumber"),
        "chargeNumber": body.get("ChargeNumber"), "status": "Pending",
    }  # fmt: skip
