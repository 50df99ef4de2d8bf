"""Fix once: when what stood in the way of cases is gone, here or in a platform, they are offered for replay.

Ours (a period, a mapping, a nexus, a rule): saving the record asks at once, and watch_blockers asks again now and then.
The dry run of each waiting case is the judge (engine/freed.py), so a mapping that starts late, or a rate of some day,
is a fix for those that it fits. Theirs: watch_blockers asks the platform whether the object still stands in the way.
A connection is ours, and whether its settings are right the platform says: it is asked as they are saved (mended.py).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from django.db import transaction
from django.db.models.signals import post_delete, post_save

from exceptions import unblock
from exceptions.models import Case, Offer, Problem
from exceptions.unblock import is_ours
from ledger import models as books
from q2c import clock, keys, models, states
from q2c.connectors import http
from q2c.connectors.outcomes import Blocker
from q2c.engine import freed, gates, mended, offered
from q2c.engine.mended import Look
from q2c.models import Breaker

log = logging.getLogger(__name__)

# As exceptions keeps it: (connection, object type, object key, condition).
Named = tuple[str, str, str, str]

# How many blockers one change or one round looks at; the next round takes others.
AT_ONCE, OURS_A_ROUND, THEIRS_A_ROUND = 20, 20, 60
ROUND_S = 20
# Seconds after which a round asks its platforms nothing more.
ASKING_S = 15.0


def changed(connection: str, object_type: str, object_key: str = "", *, actor: str = "q2c") -> list[Offer]:
    """An object changed: offer the cases that it no longer blocks.

    `connection` is empty for what q2c owns; without a key, any object of the type may be meant. Talks to the platform
    where the object is a platform's, so call it outside a transaction.
    """
    named = [
        blocker
        for blocker in _blockers(object_type, object_key)
        if (is_ours(blocker) if not connection else blocker[0] == connection)
    ]
    if not connection:
        # A period that closes makes fail what would have passed; other master data seldom does.
        offered.look_anew(all_of_them=object_type == "fiscal_period")
    return _look_at(named[:AT_ONCE], actor)


def connection_saved(name: str, *, actor: str = "q2c") -> list[Offer]:
    """Try it, where anything waits for its settings; what that came to is told once more by told_of()."""
    offered.look_anew()
    standing = _theirs_standing(_blockers(mended.KIND, name))
    # What is gone is told by its offer.
    _pending.told[name] = min(standing.values(), key=lambda look: look.stands is False, default=None)
    return _offer(standing, actor)


def tried(name: str, said: mended.Said, *, actor: str = "q2c") -> list[Offer]:
    """A connection in use was asked something, or tried: what waited for its settings is judged by what it said."""
    return _offer({blocker: mended.judge(said, blocker) for blocker in _blockers(mended.KIND, name)}, actor)


def told_of(name: str) -> Look | None:
    """What this thread's last connection_saved() found; None where nothing waited for it, or it was told before."""
    return _pending.told.pop(name, None)


def watch_blockers() -> dict[str, int]:
    """One round over the blockers of open cases. Returns how many were looked at, and offers open for them."""
    named = mended.to_ask(_blockers())
    ours = _turn([blocker for blocker in named if is_ours(blocker)], OURS_A_ROUND)
    theirs = _turn([blocker for blocker in named if not is_ours(blocker)], THEIRS_A_ROUND)
    offers = _look_at([*ours, *theirs], "watch", ours)
    return {"looked": len(ours) + len(theirs), "offers": len(offers)}


def _blockers(object_type: str = "", object_key: str = "") -> list[Named]:
    """What stands in the way of unresolved cases: open problems know it, one row each."""
    found = Problem.objects.filter(state="open", kind="cases").exclude(blocker_type="")
    if object_type:
        found = found.filter(blocker_type=object_type)
    if object_key:
        found = found.filter(blocker_key=object_key)
    rows = found.order_by("id").values_list(
        "blocker_connection", "blocker_type", "blocker_key", "blocker_condition"
    )  # fmt: skip
    return list(dict.fromkeys(rows))


def _turn(named: Sequence[Named], most: int) -> dict[Named, int]:
    """Those whose turn it is, and how often it was before: with more than `most`, each round goes on where the last
    one ended.
    """
    at, count = int(clock.now().timestamp() // ROUND_S), len(named)
    if count <= most:
        return dict.fromkeys(named, at)
    return {named[place % count]: place // count for place in range(at * most, at * most + most)}


def look_again(case: Case, actor: str) -> Look:
    """Whether what blocks this case is in its way, asked now, and offered if it is not.

    Call it outside a transaction: a platform's object is asked of the platform.
    """
    if (blocker := case.blocker) is None:
        return Look(None)
    if not is_ours(blocker):
        standing = _theirs_standing([blocker])
        _offer(standing, actor)
        return standing.get(blocker, Look(None))
    if case.step_id is None:
        return Look(None)
    told = freed.judge({blocker: [(case.id, case.step_id)]})[blocker]
    if not told.free and not told.held:
        return Look(None)
    _awake(unblock.judged(blocker, told.free, told.held, actor=actor)[0])
    return Look(bool(told.held), told.text)


def _look_at(named: Iterable[Named], actor: str, visit: Mapping[Named, int] | None = None) -> list[Offer]:
    ours: list[Named] = []
    theirs: list[Named] = []
    for blocker in named:
        (ours if is_ours(blocker) else theirs).append(blocker)
    made = freed.look(ours, actor, visit)
    _awake(*made)
    return [*made, *_offer(_theirs_standing(theirs), actor)]


def _awake(*offers: Offer | None) -> None:
    if any(offer is not None and not offer.is_told for offer in offers):
        offered.wake_up()


def _offer(standing: Mapping[Named, Look], actor: str) -> list[Offer]:
    """Offer what is gone; take back what was offered and stands again."""
    if again := [blocker for blocker, look in standing.items() if look.stands]:
        with states.acting(actor, "it stands in the way again"):
            unblock.withdraw(again)
    offers = [
        unblock.blocker_gone(*blocker, actor=actor) for blocker, look in standing.items() if look.stands is False
    ]  # fmt: skip
    made = [offer for offer in offers if offer is not None]
    _awake(*made)
    return made


def _theirs_standing(named: Sequence[Named]) -> dict[Named, Look]:
    """What the platforms say, each asked on a thread of its own; nothing of one that does not say, or is down."""
    if not named:
        return {}
    down = set(Breaker.objects.filter(opened_at__isnull=False).values_list("connection", flat=True))
    open_gates = gates.Gates().ready()
    asked: dict[str, list[Named]] = {}
    for blocker in named:
        # Whether its settings are right is worth a try though it was silent.
        if mended.is_one(blocker) or (blocker[0] in open_gates.configs and blocker[0] not in down):
            asked.setdefault(blocker[0], []).append(blocker)
    if not asked:
        return {}
    gates.no_transaction()
    ends = http.machine_time_s() + ASKING_S
    with ThreadPoolExecutor(min(len(asked), 8), thread_name_prefix="watch") as pool:
        answers = pool.map(lambda pair: _ask(open_gates, pair[0], pair[1], ends), asked.items())
    return {blocker: look for answer in answers for blocker, look in answer.items()}


def _ask(open_gates: gates.Gates, name: str, named: Iterable[Named], ends: float) -> dict[Named, Look]:
    """One connection's answers, one after the other; what there is no time for waits for another round."""
    answers: dict[Named, Look] = {}
    try:
        for blocker in named:
            if http.machine_time_s() > ends:
                break
            if mended.is_one(blocker):
                answers[blocker] = mended.look(open_gates.configs.get(name), blocker)
            elif hasattr(connector := open_gates.open(name), "still_blocked"):
                with http.calling(keys.new_id()):
                    answers[blocker] = Look(connector.still_blocked(_as_ports_have_it(blocker)))
    except Exception:
        log.exception("could not ask about blockers", extra={"connection": name})
    return answers


def _as_ports_have_it(blocker: Named) -> Blocker:
    connection, kind, key, condition = blocker
    return Blocker(connection=connection, object_type=kind, object_key=key, condition=condition)


# Changes here -----------------------------------------------------------------------------------------------------

# A rule that names another account, or another role, goes round what is in the way.
_BY_RULE = [("posting_rule", ""), ("account_role", ""), ("account", "")]
# Which objects a saved record may have been in the way as, or leads round: (object type, object key or "" for any).
_TOUCHES: dict[type[Any], Callable[[Any], list[tuple[str, str]]]] = {
    books.FiscalPeriod: lambda period: [("fiscal_period", period.key)],
    # Under another ledger, its products are other items.
    books.LegalEntity: lambda entity: [("legal_entity", ""), ("item_mapping", "")],
    books.Account: lambda account: [("account", account.code), ("account_role", "")],
    books.DimensionValue: lambda value: [(value.dimension.code, value.code)],
    books.DimensionRule: lambda rule: [("dimension_rule", ""), (rule.dimension.code, "")],
    books.PostingRule: lambda rule: _BY_RULE,
    books.PostingRuleLine: lambda line: _BY_RULE,
    books.FxRate: lambda rate: [("fx_rate", f"{rate.from_currency}:{rate.to_currency}")],
    models.Connection: lambda connection: [(mended.KIND, connection.name)],
    models.Customer: lambda customer: [("customer", "")],
    models.Product: lambda product: [("product", product.code)],
    models.ItemMapping: lambda mapping: [
        ("item_mapping", mapping.product.code),
        ("dimension_rule", ""),
        *((code, "") for code in books.Dimension.objects.values_list("code", flat=True)),
    ],
    models.ListPrice: lambda price: [("list_price", f"{price.currency}:{price.price_period}:{price.product.code}")],
    models.TaxNexus: lambda nexus: [("tax_nexus", "")],
}


class _Pending(threading.local):
    """Of this thread's transaction: one that ends earlier elsewhere has not seen what this one saves."""

    def __init__(self) -> None:
        self.touched: set[tuple[str, str]] = set()
        # By connection, until it is told.
        self.told: dict[str, Look | None] = {}


_pending = _Pending()


def touches(record: Any) -> list[tuple[str, str]]:
    """The (object type, object key or "" for any) under which a record of ours may block cases."""
    told = _TOUCHES.get(type(record))
    return told(record) if told else []


def listen() -> None:
    """From now on each change of master data, by whatever way it is saved, offers what it frees."""
    for model in _TOUCHES:
        post_save.connect(_saved, sender=model, dispatch_uid=f"q2c.watch.{model.__name__}")
        post_delete.connect(_saved, sender=model, dispatch_uid=f"q2c.watch.{model.__name__}.gone")


def _saved(sender: type[Any], instance: Any, raw: bool = False, **_: Any) -> None:
    for touched in [] if raw else _TOUCHES[sender](instance):
        _pending.touched.add(touched)
        transaction.on_commit(partial(_after, touched), robust=True)


def _after(touched: tuple[str, str]) -> None:
    """Once per object, however often one transaction saved it."""
    if touched in _pending.touched:
        _pending.touched.discard(touched)
        if touched[0] == mended.KIND:
            connection_saved(touched[1])
        else:
            changed("", *touched)
