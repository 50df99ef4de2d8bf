"""A credit service to try against: limits in dollars, euros and yen, a hold, and no default."""

from __future__ import annotations

from typing import Any

from q2c.connectors.credit.client import CreditService
from q2c.connectors.ports import ConnectionConfig
from q2c.contracts.documents import CreditRequest
from tests.connectors.control import sandbox_url

KEY = "credit-key-of-the-tests"
SEED: dict[str, Any] = {
    "api_keys": [KEY],
    "rates": {"USD": "1", "EUR": "1.25", "JPY": "0.008"},
    "customers": [
        {
            "id": "C-1", "name": "Globex", "currency": "USD", "soft_limit": "1000.00", "hard_limit": "1500.00",
            "exposure": "400.00",
        },
        {"id": "C-2", "name": "Initech", "currency": "EUR", "soft_limit": "800", "hard_limit": "800"},
        {
            "id": "C-3", "name": "Umbrella", "currency": "USD", "soft_limit": "9000.00", "hard_limit": "9000.00",
            "on_hold": True,
        },
        {"id": "C-4", "name": "Sony", "currency": "JPY", "soft_limit": "125000", "hard_limit": "250000"},
    ],
}  # fmt: skip


def config(*, time_limit_s: float = 10.0, key: str = KEY, base_url: str = "") -> ConnectionConfig:
    return ConnectionConfig(
        name="credit", vendor="credit", base_url=base_url or sandbox_url("credit"), credentials={"api_key": key},
        time_limit_s=time_limit_s,
    )  # fmt: skip


def connect(**changes: Any) -> CreditService:
    return CreditService(config(**changes))


def asked(amount_minor: int, currency: str = "USD", customer: str = "C-1") -> CreditRequest:
    return CreditRequest(customer=customer, name="Globex", country="US", currency=currency, amount_minor=amount_minor)
