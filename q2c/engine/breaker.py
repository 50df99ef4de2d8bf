"""A connection that keeps failing pauses its steps: they wait without burning attempts, one problem is raised."""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from typing import Any

from django.db import transaction
from django.db.models import Count, Q, QuerySet, Sum

from exceptions import problems
from q2c import clock, keys
from q2c.connectors import http, registry
from q2c.connectors.outcomes import Unavailable, Unknown
from q2c.engine import gates, wake
from q2c.engine.alone import alone
from q2c.models import Breaker, Connection, Step
from q2c.models.connection import called
from q2c.models.step import DUE
from q2c.reasons import Reason
from q2c.stages import STAGES
from q2c.stages.verb import Stage, Work

log = logging.getLogger(__name__)

TRIPS_AT = 5
# A probe follows the last one after so long, and at last every PROBED_EVERY_S.
PROBE_AFTER_S, PROBED_EVERY_S = 5.0, 120.0
PROBED_AT_ONCE = 8


def note(stage: Stage, works: list[Work]) -> None:
    """Count a batch's outcomes per connection: an answer of any kind closes the count, silence adds to it."""
    silent: Counter[str] = Counter()
    answered: set[str] = set()
    texts: dict[str, str] = {}
    for work in works:
        # Of a step that asks several platforms: those that did answer.
        answered |= work.notes.get("answered", set())
        name = work.waiting_for or work.step.connection
        # What was decided before anybody was asked says nothing about a platform.
        if not name or work.outcome is None or "asked" not in work.notes:
            continue
        if isinstance(work.outcome, Unknown) or (
            isinstance(work.outcome, Unavailable) and work.outcome.reason == Reason.PLATFORM_UNAVAILABLE
        ):
            silent[name] += 1
            texts[name] = work.outcome.text
        else:
            answered.add(name)
    if answered:
        Breaker.objects.filter(connection__in=answered, failures__gt=0, opened_at=None).update(failures=0)
    for name, count in silent.items():
        if name not in answered:
            _fail(name, count, texts[name])


def heard(name: str) -> None:
    """A connection answered a read that belongs to no step."""
    Breaker.objects.filter(connection=name, failures__gt=0, opened_at=None).update(failures=0)


def silent(name: str, text: str) -> None:
    """A connection did not answer a read that belongs to no step."""
    _fail(name, 1, text)


def _fail(name: str, count: int, text: str) -> None:
    with transaction.atomic():
        row, _ = Breaker.objects.select_for_update().get_or_create(connection=name)
        row.failures += count
        row.text = text
        if row.failures >= TRIPS_AT and row.opened_at is None:
            row.opened_at = clock.now()
            row.probe_at = clock.now() + clock.seconds(PROBE_AFTER_S)
            log.warning("breaker open", extra={"connection": name, "text": text})
            row.problem_id = problems.connection_down(
                name, row.opened_at, waiting_for(name), called=called([name])[name], text=text
            )
        row.save()


def waiting_for(name: str) -> dict[str, Any]:
    """What waits for a connection: {noun, count, amounts by currency, what of them is credits}."""
    below = Sum("amount_minor", filter=Q(amount_minor__lt=0))
    summed = Step.objects.filter(_held_up(name)).values("stage", "currency")
    rows = list(summed.annotate(n=Count("id"), minor=Sum("amount_minor"), below=below))
    amounts: dict[str, int] = {}
    credits: dict[str, int] = {}
    for row in rows:
        if row["currency"] and row["minor"]:
            amounts[row["currency"]] = amounts.get(row["currency"], 0) + row["minor"]
        if row["currency"] and row["below"]:
            credits[row["currency"]] = credits.get(row["currency"], 0) + row["below"]
    nouns = {STAGES[row["stage"]].noun for row in rows if row["stage"] in STAGES}
    noun = nouns.pop() if len(nouns) == 1 else "document"
    return {"noun": noun, "count": sum(row["n"] for row in rows), "amounts": amounts} | (
        {"credits": credits} if credits else {}
    )


def steps_waiting_for(user: Any, name: str) -> QuerySet[Step]:
    """The steps that wait for a connection, as far as the person may see them; the newest first."""
    return Step.objects.visible_to(user).filter(_held_up(name)).order_by("-seq")


def _held_up(name: str) -> Q:
    """What has its day later is held up by nothing, unless it was tried before."""
    soon = clock.now() + clock.seconds(PROBED_EVERY_S)
    return _of([name]) & Q(state__in=DUE) & (Q(next_at__lte=soon) | Q(attempts__gt=0))


def _of(names: list[str]) -> Q:
    """Steps of these connections, and steps of none that wait for one of them: tax and credit are asked by such."""
    return Q(connection__in=names) | Q(waiting_for__in=names)


def _since(row: Breaker) -> dt.datetime:
    return row.opened_at or clock.now()


def probe_due() -> list[str]:
    """Probe the open breakers whose time has come, side by side, each by one prober; what answers is closed.

    Returns the connections that answered, once each has answered or used up its time limit: call it where nobody waits.
    """
    gates.no_transaction()
    due = Breaker.objects.filter(opened_at__isnull=False, probe_at__lte=clock.now())
    names = list(due.order_by("probe_at").values_list("connection", flat=True))
    used = {one.name: one for one in Connection.objects.filter(name__in=names, active=True)}
    closed: list[str] = []
    with ThreadPoolExecutor(PROBED_AT_ONCE, thread_name_prefix="probe") as pool, ExitStack() as turns:
        asked: dict[Future[str], tuple[str, ExitStack]] = {}
        for name in names:
            turn = turns.enter_context(ExitStack())
            # Who probed it a moment ago has put its next time off.
            if turn.enter_context(alone(f"probe:{name}")) and due.filter(connection=name).exists():
                asked[pool.submit(_silence_of, used.get(name))] = name, turn
            else:
                turn.close()
        for told in as_completed(asked):
            name, turn = asked[told]
            with turn:
                if text := told.result():
                    _still_down(name, used[name], text)
                else:
                    _answers(name, used.get(name))
                    closed.append(name)
    return closed


def _silence_of(config: Connection | None) -> str:
    """Why it gives no answer; empty where it does, or is not used any more. Touches no database."""
    if config is None:
        return ""
    try:
        with http.calling(keys.new_id()):
            answer = registry.open_connector(config.config()).probe()
    except Exception as error:
        # It costs the others nothing, and is tried again like one that is silent.
        log.exception("probe broke", extra={"connection": config.name})
        return f"Probing broke: {type(error).__name__}: {error}. Check the credentials and options of the connection"
    return answer.text or "no answer" if answer is not None else ""


def _answers(name: str, config: Connection | None) -> None:
    """Its steps go on at once, whoever else is silent."""
    with transaction.atomic():
        Breaker.objects.filter(connection=name).update(
            opened_at=None, probe_at=None, failures=0, text="", problem_id=None
        )
        problems.connection_up(name, called=config.called if config else "")
    log.warning("breaker closed", extra={"connection": name})
    waiting = Step.objects.filter(_of([name]), state__in=DUE)
    wake.now(sorted(set(waiting.values_list("stage", flat=True))))


def _still_down(name: str, config: Connection, text: str) -> None:
    row = Breaker.objects.get(connection=name)
    wait_s = min(PROBE_AFTER_S * 2 ** min(row.failures - TRIPS_AT, 5), PROBED_EVERY_S)
    Breaker.objects.filter(pk=row.pk).update(
        failures=row.failures + 1, probe_at=clock.now() + clock.seconds(wait_s), text=text
    )
    problems.connection_down(name, _since(row), waiting_for(name), called=config.called, text=text)
