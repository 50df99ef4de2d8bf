"""A stand-in AvaTax: ping, estimates, stored transactions with commit and void, companies and their nexus.

Seed, all parts optional; what is there already is replaced by key:

    {"accounts":  [{"account_id": "2000000001", "license_key": "…"}],
     "companies": [{"code": "US01", "name": "Acme Inc", "active": true, "nexus": ["US-CA", "DE"]}],
     "rates":     [{"country": "US", "region": "CA", "name": "CALIFORNIA", "type": "State", "rate": "0.0725"},
                   {"country": "DE", "name": "GERMANY", "type": "Country", "rate": "0.19", "tax_type": "VAT"},
                   {"country": "US", "region": "CA", "name": "CALIFORNIA", "type": "State", "rate": "0",
                    "tax_code": "SW054000"}],
     "tax_codes": ["SW052000", "SW054000"],
     "bad_addresses": [{"country": "US", "region": "PA", "postal_code": "99999", "message": "…"}],
     "force_timeout_s": 30}

Without accounts nobody may sign in. `nexus` left out: registered everywhere. The rates of a place add up, one per
jurisdiction (name and type: Country, State, County, City, Special); a rate with a tax code goes before the general
one of its jurisdiction. With `tax_codes`, any other code is refused. Without rates a place has no tax.
`force_timeout_s`: how long $include=ForceTimeout takes.
"""

from __future__ import annotations

from q2c.connectors.avatax.sandbox import companies, seeding, transactions
from q2c.connectors.avatax.sandbox.errors import failure, gateway_refusal
from q2c.connectors.avatax.sandbox.sign_in import admit
from q2c.connectors.sandbox_kit import Answer, Request, Sandbox

sandbox = Sandbox("avatax", "Avalara AvaTax")
sandbox.seed = seeding.seed
sandbox.editable = {"company": ("code", "name", "active", "nexus"), "rate": ("rate",), "bad_address": ("message",)}
sandbox.before = admit
sandbox.batches = {"create"}
sandbox.token_expired = lambda fault: gateway_refusal()
sandbox.too_many = lambda fault: failure(
    429, "RateLimitExceededError", 1723, "The rate limit was exceeded.", headers={"Retry-After": f"{fault.value:g}"}
)
sandbox.unavailable = lambda fault: failure(
    503, "ServerUnreachable", 2, "The server is temporarily unreachable.", target="AvaTaxApiServer"
)
sandbox.business_failure = lambda fault, request: failure(
    400, "GetTaxError", 300, "Tax calculation cannot be determined.", refers_to="Addresses[0]"
)


def _headers(request: Request) -> dict[str, str]:
    """Avalara's own client falls over an answer without a correlation id."""
    given = request.headers.get("x-correlation-id") or request.environ.setdefault("avatax.id", _new_id())
    return {"x-correlation-id": given, "ServerDuration": "00:00:00.0200000"}


def _new_id() -> str:
    from q2c import keys

    return str(keys.new_id())


def _not_found(request: Request) -> Answer:
    return failure(404, "EntityNotFoundError", 4, f"There is no {request.method} {request.path}.")


sandbox.default_headers = _headers
sandbox.not_found = _not_found

_ONE = "/api/v2/companies/{company}/transactions/{code}"
for _method, _path, _operation, _handler in (
    ("GET", "/api/v2/utilities/ping", "ping", companies.ping),
    ("POST", "/api/v2/transactions/create", "create", transactions.create),
    ("GET", _ONE, "read", transactions.read),
    ("POST", f"{_ONE}/commit", "commit", transactions.commit),
    ("POST", f"{_ONE}/void", "void", transactions.void),
    ("GET", "/api/v2/companies", "companies", companies.listed),
    ("GET", "/api/v2/companies/{company}/nexus", "nexus", companies.nexus),
    ("GET", "/api/v2/definitions/taxcodes", "tax_codes", companies.tax_codes),
):
    sandbox.route(_method, _path, _operation)(_handler)
