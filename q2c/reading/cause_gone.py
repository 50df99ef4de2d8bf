"""Whether what stopped a case is gone: noticed already, or a period of ours that is open by now."""

from __future__ import annotations

from exceptions.models import Case
from exceptions.models.case import REPLAYABLE
from ledger.models import FiscalPeriod


def of(case: Case) -> bool:
    """Only the replay is left to do. One statement for a closed period of ours, none else."""
    return noticed(case) or (case.state in REPLAYABLE and is_open_again(case))


def noticed(case: Case) -> bool:
    """The same of many: as far as it was judged."""
    return case.blocker is not None and case.blocker_gone_at is not None and case.state in REPLAYABLE


def is_open_again(case: Case) -> bool:
    """Its period of ours, maybe opened a moment ago: its cases are judged and offered in the background."""
    if (case.blocker_connection, case.blocker_type, case.blocker_condition) != ("", "fiscal_period", "period_closed"):
        return False
    entity, _, rest = case.blocker_key.partition(":")
    subledger, _, name = rest.partition(":")
    there = FiscalPeriod.objects.filter(entity__code=entity, subledger=subledger, name=name, state="open")
    return there.exists()
