"""What every sandbox is made of: routes, a store in PostgreSQL, a clock of its own, fault switches, a control page.

    sandbox = Sandbox("netsuite", "Oracle NetSuite")

    @sandbox.route("POST", "/services/rest/record/v1/journalEntry", operation="create")
    def create(request: Request, store: Store) -> Answer: ...

A handler runs in one database transaction. What it returns is sent after the commit, and what is in `store.afterwards`
is done then.
"""

from q2c.connectors.sandbox_kit.app import Sandbox
from q2c.connectors.sandbox_kit.faults import SWITCHES, Fault
from q2c.connectors.sandbox_kit.messages import Answer, Refused, Request
from q2c.connectors.sandbox_kit.store import Record, Store

__all__ = ["SWITCHES", "Answer", "Fault", "Record", "Refused", "Request", "Sandbox", "Store"]
