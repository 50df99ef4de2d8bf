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

# Amounts of one shape, beside the one that is asked for first.
LISTS = ("further_amounts", "committed_amounts")
# Where it stands in the question, and the amount.
Placed = tuple[str, Money]


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
    amounts, committed = _amounts(body)
    customer = _customer(store, str(body["customer"]["id"]))
    answer = _decided(store, customer, amounts, committed)
    number = store.next("check", 100_001)
    answer = {"id": f"CC-{number}", "as_of": store.now().isoformat(), **answer}
    try:
        store.add("check", answer["id"], {"answer": answer, "digest": digest, "asked": body}, external_id=key or None)
    except Duplicate:
        raise refusal(409, "in_progress", "A check with this Idempotency-Key is being answered.") from None
    return Answer(200, answer)


def _again(earlier: dict[str, Any], digest: str) -> Answer:
    if earlier["digest"] != digest:
        raise refusal(422, "idempotency_conflict", "This Idempotency-Key was used for another check.")
    return Answer(200, earlier["answer"], {"Idempotent-Replayed": "true"})


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
    _texts(found.get("customer"), ("id",), "/customer")
    _texts(found.get("amount"), ("currency", "value"), "/amount")
    for name in LISTS:
        if not isinstance(found.setdefault(name, []), list):
            raise refusal(422, "field_missing", f"{name} must be a list.", f"/{name}")
        for position, amount in enumerate(found[name]):
            _texts(amount, ("currency", "value"), f"/{name}/{position}")
    return found


def _texts(held: Any, names: tuple[str, ...], where: str) -> None:
    for name in names:
        if not isinstance(held, dict) or not isinstance(held.get(name), str) or not held[name]:
            raise refusal(422, "field_missing", f"{where[1:]}/{name} must be a text.", f"{where}/{name}")


def _amounts(body: dict[str, Any]) -> tuple[list[Placed], list[Placed]]:
    """What is asked for, and what is committed already; the first one's currency is the answer's."""
    further, committed = (
        [(f"/{name}/{position}", amount) for position, amount in enumerate(body[name])] for name in LISTS
    )
    return [_read(*each) for each in [("/amount", body["amount"]), *further]], [_read(*each) for each in committed]


def _read(where: str, amount: dict[str, str]) -> Placed:
    try:
        return where, Money.of(amount["value"], amount["currency"])
    except MoneyError as error:
        raise refusal(422, "amount_invalid", str(error), where) from None


def _customer(store: Store, id_: str) -> dict[str, Any]:
    found = store.get("customer", id_)
    if found is not None:
        return found.body
    default = store.setting("default")
    if not default:
        raise refusal(404, "customer_unknown", f"There is no customer {id_}.", "/customer/id")
    return {"id": id_, "exposure": "0", "on_hold": False, **default}


def _decided(store: Store, customer: dict[str, Any], amounts: list[Placed], committed: list[Placed]) -> dict[str, Any]:
    """Everything in the currency of the first amount, since only then can it be compared."""
    currency = amounts[0][1].currency
    soft, hard, exposure = (
        _in(store, Decimal(str(customer[name])), (customer["currency"], "/customer/id"), currency)
        for name in ("soft_limit", "hard_limit", "exposure")
    )
    asked, promised = (
        sum(_in(store, each.decimal(), (each.currency, f"{where}/currency"), currency) for where, each in many)
        for many in (amounts, committed)
    )
    reached = exposure + promised + asked
    on_hold = customer.get("on_hold") in (True, "true", "True", "1", 1)
    decision = "decline" if on_hold or reached > hard else "approve" if reached <= soft else "refer"
    shown = {name: _text(minor, currency) for name, minor in (
        ("requested", asked), ("committed", promised), ("exposure", exposure), ("soft_limit", soft),
        ("hard_limit", hard), ("available", max(0, hard - exposure - promised)),
    )}  # fmt: skip
    converted = {customer["currency"], *(each.currency for _, each in amounts + committed)} - {currency}
    return {
        "decision": decision, "currency": currency, "on_hold": on_hold, **shown, "kept_in": customer["currency"],
        "rates": _rates(store, converted, currency),
    }  # fmt: skip


def _rates(store: Store, sources: set[str], target: str) -> list[dict[str, str]]:
    """What was converted, and at what: units of `target` for one of each source, today."""
    rates, on = store.setting("rates", {}), store.now().date().isoformat()
    return [
        {"from": source, "to": target, "on": on, "rate": f"{Decimal(rates[source]) / Decimal(rates[target]):.6g}"}
        for source in sorted(sources)
    ]


def _in(store: Store, value: Decimal, given: tuple[str, str], target: str) -> int:
    """Minor units of `target`; `given` is the currency of the value and where it stands."""
    source, where = given
    if source != target:
        rates = store.setting("rates", {})
        for currency, pointer in ((source, where), (target, "/amount/currency")):
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
