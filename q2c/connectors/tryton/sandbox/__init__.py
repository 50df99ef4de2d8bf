"""A gate before a real Tryton: what is asked here is asked there, and the fault switches strike on the way.

Seed: {"upstream": "http://127.0.0.1:8105/tryton"}, the address of its database. Nothing of Tryton is imitated; where no
upstream is named, the gate answers 503, as a proxy does whose server is down. Its own records are the ids of moves that
went through it, so that the search lag can hide the new ones.
"""

from __future__ import annotations

from q2c.connectors.sandbox_kit import Answer, Sandbox
from q2c.connectors.tryton.sandbox import gate

sandbox = Sandbox("tryton", "Tryton")
sandbox.seed = gate.seed
sandbox.needs = "upstream"
sandbox.tokenless = set()
sandbox.on_control = {"quirk": gate.quirk}
sandbox.token_expired = lambda fault: Answer(401, gate.page("Unauthorized"), {"Content-Type": "text/html"})
sandbox.unavailable = lambda fault: Answer(503, gate.page("could not obtain lock"), {"Content-Type": "text/html"})
sandbox.business_failure = lambda fault, request: gate.refused("It is not permitted today.")
sandbox.not_found = lambda request: Answer(404, gate.page("Not Found"), {"Content-Type": "text/html"})

for _method, _path, _operation, _handler in (
    ("GET", "/rest/model/account.move", "read_move", gate.moves),
    ("POST", "/rest/model/account.move", "create_move", gate.made),
    ("POST", "/rest/model/account.move/{id}/post", "post_move", gate.through),
    ("DELETE", "/rest/model/account.move/{id}", "delete_move", gate.through),
    ("POST", "/rest/model/party.party", "create_party", gate.through),
    ("GET", "/rest/model/party.party", "read_party", gate.through),
    ("GET", "/{rest*}", "read", gate.through),
    ("POST", "/{rest*}", "other", gate.through),
):
    sandbox.route(_method, _path, _operation)(_handler)
