"""What a general ledger would refuse of a mirror entry, as far as the cases of journals that wait there tell those who
see them: it is not asked."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

from exceptions import sentences
from exceptions.models import Case
from exceptions.models.case import REPLAYABLE
from ledger.journal import EntryView
from ledger.models import LegalEntity
from q2c.stages.fiscal import periods_on


class _Known(NamedTuple):
    """What stands in the way of a journal of `entity` in `period`, and is not known to be gone."""

    connection: str
    kind: str
    key: str
    condition: str
    entity: str
    period: str


def of_mirrors(user: Any, asked: Sequence[tuple[EntryView, dt.date]]) -> list[str]:
    """Of the mirror of each entry on its day, in order: a sentence without its full stop, empty where nothing is known.
    Three statements."""
    rows = LegalEntity.objects.filter(code__in={view.entity for view, _ in asked}) if asked else ()
    entities = {row.code: row for row in rows}
    months = periods_on({(view.entity, day) for view, day in asked})
    known = _known(user, {row.erp_connection for row in rows} - {""})
    return [_said(view, months[view.entity, day], entities[view.entity], known) for view, day in asked]


def _known(user: Any, connections: Collection[str]) -> dict[str, list[_Known]]:
    waiting = Case.objects.visible_to(user).filter(stage="post_journal", state__in=REPLAYABLE, blocker_gone_at=None)
    columns = ("blocker_connection", "blocker_type", "blocker_key", "blocker_condition", "entity", "period")
    rows = waiting.filter(blocker_connection__in=connections).exclude(blocker_type="").order_by(*columns)
    found = defaultdict(list)
    for row in rows.values_list(*columns).distinct() if connections else ():
        found[row[0]].append(_Known(*row))
    return found


def _said(view: EntryView, period: str, entity: LegalEntity, known: dict[str, list[_Known]]) -> str:
    company = entity.erp_subsidiary or entity.code
    met = [one for one in known.get(entity.erp_connection, ()) if _meets(one, view, period, company)]
    # Several periods of cases may name one object.
    told = dict.fromkeys(f"{sentences.thing(one[:4])} is {sentences.condition(one.condition)}" for one in met)
    if not told:
        return ""
    return (
        f"Its posting would be refused, as journals that wait for the same show: {sentences.listed(list(told))}; have "
        "that put right there first, or the mirror entry waits as a case until it is"
    )


def _meets(one: _Known, view: EntryView, period: str, company: str) -> bool:
    if one.kind == "connection":
        return True
    if one.kind == "fiscal_period":
        # Some ledgers close a period for all of their entities, others for one, which its key names.
        is_of_all = ":" not in one.key and one.condition != "locked"
        return one.period == period and (is_of_all or one.entity == view.entity)
    named = {("customer", view.customer), ("currency", view.currency), ("subsidiary", company), ("company", company)}
    for line in view.lines:
        named |= {("account", line.account), *line.dimensions.items()}
    return (one.kind, one.key.removeprefix(f"{company}:")) in named
