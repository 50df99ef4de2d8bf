"""Credit checks: exposure and the amount asked for, against the soft and the hard limit."""

from __future__ import annotations

import hmac
from decimal import Decimal
from typing import Any

from q2c import keys
from q2c.connectors.credit.sandbox.problems import refusal
from q2c.connectors.sandbox_kit import Answer, Request, Store
from q2c.connectors.sandbox_kit.store import Duplicate
from q2c.money import Money, MoneyError, exponent, round_half_up


def admit(request: Request, store: Store) -> None:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    known = [str(key) for key in store.setting("api_keys", [])]
    if scheme != "Bearer" or not any(hmac.compare_digest(key.encode(), given.encode()) for key in known):
        raise refusal(401, "unauthorised", "The API key is not known.")


def status(request: Request, store: Store) -> Answer:
    return Answer(200, {"status": "ok", "now": store.now().isoformat()})


def check(request: Request, store: Store) -> Answer:
    """POST /v1/credit-checks. The same Idempotency-Key gives the same answer; with another body it is refused."""
    body = _body(request)
    key, digest = request.headers.get("idempotency-key", "").strip('"'), keys.fingerprint(request.body).hex()
    if key and (earlier := store.by_external("check", key, hidden=True)):
        return _again(earlier.body, digest)
    amount = _amount(body)
    customer = _customer(store, str(body["customer"]["id"]))
    answer = _decided(store, customer, amount)
    number = store.next("check", 100_001)
    answer = {"id": f"CC-{number}", "as_of": store.now().isoformat(), **answer}
    try:
        store.add("check", answer["id"], {"answer": answer, "digest": digest, "asked": body}, external_id=key or None)
    except Duplicate:
        raise refusal(409, "in_progress", "A check with this Idempotency-Key is being answered.") from None
    _fail_some(request)
    return Answer(200, answer)


def _again(earlier: dict[str, Any], digest: str) -> Answer:
    if earlier["digest"] != digest:
        raise refusal(422, "idempotency_conflict", "This Idempotency-Key was used for another check.")
    return Answer(200, earlier["answer"], {"Idempotent-Replayed": "true"})


def _fail_some(request: Request) -> None:
    """A check has no items, so a partial failure is the service missing one of its own sources."""
    if "partial_failure" in request.environ.get("q2c.faults", {}):
        raise refusal(503, "source_missing", "The exposure cannot be read at the moment.")


def undecided(request: Request) -> Answer:
    """200 with everything but a decision: what must never count as an approval."""
    return Answer(200, {"id": "", "decision": "error", "detail": "The scoring engine has failed."})


def _body(request: Request) -> dict[str, Any]:
    try:
        found = request.json()
    except ValueError:
        raise refusal(400, "malformed", "The body is not JSON.") from None
    if not isinstance(found, dict):
        raise refusal(400, "malformed", "The body is not an object.")
    for part, name in (("customer", "id"), ("amount", "currency"), ("amount", "value")):
        held = found.get(part)
        if not isinstance(held, dict) or not isinstance(held.get(name), str) or not held[name]:
            raise refusal(422, "field_missing", f"{part}.{name} must be a text.", f"/{part}/{name}")
    return found


def _amount(body: dict[str, Any]) -> Money:
    try:
        return Money.of(body["amount"]["value"], body["amount"]["currency"])
    except MoneyError as error:
        raise refusal(422, "amount_invalid", str(error), "/amount") from None


def _customer(store: Store, id_: str) -> dict[str, Any]:
    found = store.get("customer", id_)
    if found is not None:
        return found.body
    default = store.setting("default")
    if not default:
        raise refusal(404, "customer_unknown", f"There is no customer {id_}.", "/customer/id")
    return {"id": id_, "exposure": "0", "on_hold": False, **default}


def _decided(store: Store, customer: dict[str, Any], amount: Money) -> dict[str, Any]:
    """Limits and exposure in the currency that was asked for, since only then can they be compared with the amount."""
    soft, hard, exposure = (
        _in(store, Decimal(str(customer[name])), customer["currency"], amount.currency)
        for name in ("soft_limit", "hard_limit", "exposure")
    )
    reached = exposure + amount.minor
    on_hold = customer.get("on_hold") in (True, "true", "True", "1", 1)
    decision = "decline" if on_hold or reached > hard else "approve" if reached <= soft else "refer"
    shown = {name: _text(minor, amount.currency) for name, minor in (
        ("exposure", exposure), ("soft_limit", soft), ("hard_limit", hard), ("available", max(0, hard - exposure)),
    )}  # fmt: skip
    return {"decision": decision, "currency": amount.currency, "on_hold": on_hold, **shown}


def _in(store: Store, value: Decimal, source: str, target: str) -> int:
    """Minor units of `target`."""
    if source != target:
        rates = store.setting("rates", {})
        for currency, pointer in ((source, "/customer/id"), (target, "/amount/currency")):
            if currency not in rates:
                raise refusal(422, "currency_unknown", f"There is no rate for {currency}.", pointer)
        value = value * Decimal(rates[source]) / Decimal(rates[target])
    return round_half_up(value.scaleb(exponent(target)))


def _text(minor: int, currency: str) -> str:
    return f"{Money(minor, currency).decimal():f}"


def read(request: Request, store: Store) -> Answer:
    found = store.get("check", request.vars["id"])
    if found is None:
        raise refusal(404, "not_found", f"There is no check {request.vars['id']}.")
    return Answer(200, found.body["answer"])


def customer(request: Request, store: Store) -> Answer:
    """GET /v1/customers/{id}: limits in the customer's own currency."""
    found = _customer(store, request.vars["id"])
    names = ("id", "currency", "soft_limit", "hard_limit", "exposure")
    on_hold = found.get("on_hold") in (True, "true", "True", "1", 1)
    return Answer(200, {**{name: str(found[name]) for name in names}, "on_hold": on_hold})
