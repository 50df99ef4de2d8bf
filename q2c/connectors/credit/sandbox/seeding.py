"""What the control address puts into the service; its shape stands in the package's docstring."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from q2c.connectors.sandbox_kit import Store
from q2c.money import Money

PARTS = {"api_keys", "default", "customers", "rates"}
AMOUNTS = ("soft_limit", "hard_limit", "exposure")


def seed(store: Store, document: dict[str, Any]) -> None:
    if unknown := set(document) - PARTS:
        raise ValueError(f"{', '.join(sorted(unknown))}: there are {', '.join(sorted(PARTS))}")
    for name in ("api_keys", "default"):
        if name in document:
            store.set(name, document[name])
    if "rates" in document:
        store.set("rates", {currency: str(Decimal(str(rate))) for currency, rate in document["rates"].items()})
    for given in document.get("customers", []):
        customer = {"exposure": "0", "on_hold": False, "name": given["id"], **given}
        for name in AMOUNTS:
            # Raises where an amount has more digits than its currency.
            customer[name] = f"{Money.of(str(customer[name]), customer['currency']).decimal():f}"
        found = store.get("customer", customer["id"])
        if found is None:
            store.add("customer", customer["id"], customer)
        else:
            found.body = customer
            store.put(found)
