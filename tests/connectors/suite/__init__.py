"""The contract that every connector keeps, tried on its sandbox over HTTP with each fault switch.

A connector joins with one file: subjects/<vendor>.py with a tuple SUBJECTS. Each subject is one thing that the
connector writes (or asks, where the service only reads), and tells how it is written, looked up and counted on the
platform:

    class MyJournals(Subject):
        name, vendor = "acme journal", "acme"
        operation = "create_journal"              # the sandbox's name for the call that writes: faults strike there
        def seed(self, control): ...              # the sandbox is empty before
        def connect(self, **config): ...          # a connector; config holds time_limit_s, base_url
        def document(self): ...                   # a new document each time, with a key of its own
        def other_content(self, document): ...    # the same key, another amount
        def write(self, connector, document): ... # polls to the end where the platform accepts first
        def look_up(self, connector, document): ...
        def count(self, control, document): ...   # how many of it the platform holds, counted without the connector

    SUBJECTS = (MyJournals(),)

A ledger derives from Ledger and adds closing a period, deactivating a dimension and spoiling a record. A service that
only reads derives from Question. A case that does not apply is declared with its reason (`declared`), what a vendor
does otherwise is told in `expected`; a name that is no case fails. Run: bin/test tests/connectors/suite -k <vendor>
"""
