"""A stand-in credit service.

Seed, all parts optional; customers are replaced by id:

    {"api_keys": ["…"],
     "default": {"soft_limit": "100000.00", "hard_limit": "250000.00", "currency": "USD"},
     "customers": [{"id": "C-1001", "name": "Globex", "soft_limit": "500000.00", "hard_limit": "750000.00",
                    "exposure": "120000.00", "currency": "USD", "on_hold": false}],
     "rates": {"USD": "1", "EUR": "1.08", "GBP": "1.27", "JPY": "0.0067"}}

Amounts are text in currency units. Without api_keys nobody may sign in. `default` are the limits of customers that are
not listed; without it those are unknown. `rates` say what one unit of a currency is worth in one common currency.
"""

from __future__ import annotations

from q2c.connectors.credit.sandbox import checks
from q2c.connectors.credit.sandbox.problems import problem
from q2c.connectors.credit.sandbox.seeding import seed
from q2c.connectors.sandbox_kit import Sandbox

sandbox = Sandbox("credit", "Credit service")
sandbox.seed = seed
sandbox.editable = {"customer": ("soft_limit", "hard_limit", "exposure", "on_hold")}
sandbox.before = checks.admit
sandbox.token_expired = lambda fault: problem(401, "unauthorised", "The API key has expired.")
sandbox.too_many = lambda fault: problem(
    429, "too_many_requests", "Too many requests.", headers={"Retry-After": f"{fault.value:g}"}
)
sandbox.unavailable = lambda fault: problem(503, "unavailable", "The service is down for maintenance.")
sandbox.business_failure = lambda fault, request: checks.undecided(request)
sandbox.not_found = lambda request: problem(404, "not_found", f"There is no {request.method} {request.path}.")

for _method, _path, _operation, _handler in (
    ("GET", "/v1/status", "status", checks.status),
    ("POST", "/v1/credit-checks", "check", checks.check),
    ("GET", "/v1/credit-checks/{id}", "read", checks.read),
    ("GET", "/v1/customers/{id*}", "customer", checks.customer),
):
    sandbox.route(_method, _path, _operation)(_handler)
