"""Which product rate plan and charge a product is sold by. Read once, and again when a product is missing."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from q2c.connectors.zuora.orders import Inexpressible

Read = Callable[[str], dict[str, Any]]
# Product, charge type, charge model, unit of measure: of usage only.
Key = tuple[str, str, str, str]
Entry = tuple[str, str]


class ProductCatalog:
    """(product, charge type, charge model, unit of usage) → (rate plan id, charge id).

    Option `catalog` names them by hand: {"SUB-ENT": {"Recurring/FlatFee": ["<plan>", "<charge>"]}}; what it does not
    name is looked for in the tenant's catalog by SKU, in active rate plans with a single charge, since an order takes
    a rate plan with all its charges.
    """

    def __init__(self, read: Read, options: Mapping[str, Any]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._by_hand = _by_hand(options.get("catalog") or {})
        self._found: dict[Key, Entry] | None = None

    def __call__(self, product: str, charge_type: str, model: str, unit: str = "") -> Entry:
        """Raises Inexpressible where the tenant does not sell this; whatever `read` raises."""
        if (product, charge_type, model) in self._by_hand:
            return self._by_hand[product, charge_type, model]
        key = (product, charge_type, model, unit)
        with self._lock:
            if self._found is None or key not in self._found:
                self._found = dict(self._entries())
            found = self._found.get(key)
        if found is None:
            known = sorted({_named(*each) for sku, *each in self._found if sku == product})
            text = f"Zuora's catalog sells {product} as {', '.join(known)}" if known else f"Zuora has no {product}"
            says = f"{text}; needed is an active rate plan with one charge {_named(charge_type, model, unit)}"
            raise Inexpressible(says, "product", product, f"{charge_type}/{model}/{unit}")
        return found

    def sells(self, product: str, needed: str) -> bool:
        """Whether the tenant sells by now what an order needed: charge type/model/unit. Raises what `read` raises."""
        charge_type, model, unit = needed.split("/", 2)
        try:
            self(product, charge_type, model, unit)
        except Inexpressible:
            return False
        return True

    def _entries(self) -> Iterator[tuple[Key, Entry]]:
        path = "/v1/catalog/products?pageSize=40"
        while path:
            page = self._read(path)
            for product in page.get("products") or []:
                yield from _of_product(product)
            path = str(page.get("nextPage") or "")


def _of_product(product: Mapping[str, Any]) -> Iterator[tuple[Key, Entry]]:
    for plan in product.get("productRatePlans") or []:
        charges = plan.get("productRatePlanCharges") or []
        if plan.get("status", "Active") != "Active" or len(charges) != 1:
            continue
        charge = charges[0]
        unit = str(charge.get("uom") or "") if charge.get("type") == "Usage" else ""
        key = (str(product.get("sku")), str(charge.get("type")), _model(str(charge.get("model"))), unit)
        yield key, (str(plan["id"]), str(charge["id"]))


def _named(kind: str, model: str, unit: str) -> str:
    return f"{kind}/{model} in {unit!r}" if kind == "Usage" else f"{kind}/{model}"


def _model(name: str) -> str:
    """`Flat Fee Pricing`, as some addresses write it, is `FlatFee`."""
    return name.removesuffix(" Pricing").replace(" ", "").replace("_", "")


def _by_hand(given: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, str, str], Entry]:
    found = {}
    for product, entries in given.items():
        for name, (plan, charge) in entries.items():
            kind, _, model = name.partition("/")
            found[product, kind, _model(model)] = (str(plan), str(charge))
    return found
