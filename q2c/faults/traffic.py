"""python -m q2c.faults.traffic: people, shops and platforms who go on with their work, whatever breaks around them.

Runs in the room's environment, without the faults of its processes: deals are won and bills run in the sandboxes, a web
shop posts its orders again and again until they are answered, causes come and go, and cases are replayed. Lines on the
standard output tell what was done; a line on the standard input, `heal` or `end`, changes what it does.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import django
import requests

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "q2c.settings")
django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.db import DatabaseError, InterfaceError, close_old_connections, connection  # noqa: E402

from exceptions.errors import NotPossible, Refused  # noqa: E402
from exceptions.models import Approval, Case, Offer  # noqa: E402
from exceptions.models.case import TO_DO  # noqa: E402
from q2c import clock  # noqa: E402
from q2c.connectors.http import TransportError  # noqa: E402
from q2c.demo import connections as systems  # noqa: E402
from q2c.demo.platforms import ControlRefused  # noqa: E402
from q2c.demo.repairs import erp_period  # noqa: E402
from q2c.demo.year import Year  # noqa: E402
from q2c.engine import desk  # noqa: E402
from q2c.models import ApiKey, Connection  # noqa: E402

# What a deal of the demo comes to: itself, its subscriptions, a year's invoices and their journals.
DOCUMENTS_A_DEAL = 24
DEALS_A_YEAR = 300
TURN_S = 1.0
REPLAYED_A_TURN, REPLAYS_OF_A_CASE = 20, 3
# So long a platform may take, and so long after that a lost write may still come to light.
TIME_LIMIT_S, SETTLE_S = 2.0, 8.0
WEBHOOK_SECRET = "whsec_" + "ZmF1bHRz" * 4
CALLOUT = {"callout_username": "zuora", "callout_password": "faults"}
AWAY = (DatabaseError, InterfaceError, TransportError, ControlRefused, requests.RequestException, OSError)


class Traffic:
    """`shop_orders` holds what was answered, by id: what may never be lost."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.chance = random.Random(f"traffic {options.seed}")  # noqa: S311
        self.won = self.bills = self.replays = self.turn = 0
        self.answered: dict[str, int] = {}
        self.tried: Counter[uuid.UUID] = Counter()
        self.healed = False
        self._off: list[tuple[int, Callable[[], Any]]] = []

    # Before it begins ----------------------------------------------------------------------------------------------

    def found(self) -> None:
        scale = max(1, math.ceil(self.options.documents / DOCUMENTS_A_DEAL / DEALS_A_YEAR))
        year = Year(clock.now(), scale, say=lambda text: say("founding", text=text))
        year.found()
        self.platforms, self.shop = year.platforms, year.market.shop
        self.platforms.move_clocks(None)
        self.deals = year.deals[: max(1, self.options.documents // DOCUMENTS_A_DEAL)]
        self.chance.shuffle(self.deals)
        Connection.objects.update(time_limit_s=TIME_LIMIT_S, settle_s=SETTLE_S)
        self._webhooks()
        _, secret = ApiKey.make("webshop", ["q2c.add_event", "q2c.add_order", "q2c.view_event", "q2c.view_order"])
        self.http = requests.Session()
        self.http.trust_env = False
        self.http.headers["Authorization"] = f"Bearer {secret}"
        say("founded", deals=len(self.deals))

    def _webhooks(self) -> None:
        """Pushes and callouts go through the post room, which loses, doubles and shuffles them."""
        post = self.options.post.rstrip("/")
        for name, more in (("salesforce", {"webhook_secret": WEBHOOK_SECRET}), ("zuora", CALLOUT)):
            row = Connection.objects.get(name=name)
            row.credentials = {**row.config().credentials, **more}
            row.save()
        target = f"{post}/api/v1/webhooks"
        self.platforms.seed("salesforce", {"webhook": {"url": f"{target}/salesforce", "secret": WEBHOOK_SECRET}})
        callout = {"url": f"{target}/zuora", "username": "zuora", "password": "faults", "preemptive": True}
        self.platforms.seed("zuora", {"callout": callout, "job_s": "0.2"})

    # While it lasts ------------------------------------------------------------------------------------------------

    def go_on(self) -> None:
        """Until the deals are won, the last bills run and somebody says `end`."""
        turns = max(1, int(self.options.minutes * 60 * 0.75 / TURN_S))
        each = math.ceil(len(self.deals) / turns)
        while not ENDED.is_set():
            began = time.monotonic()
            self.turn += 1
            for act in self._acts(each):
                with tried(act.__name__):
                    act()
            time.sleep(max(0.0, TURN_S - (time.monotonic() - began)))

    def _acts(self, each: int) -> Iterator[Callable[[], Any]]:
        if HEALED.is_set() and not self.healed:
            yield self.heal
        for _ in range(each):
            yield self.win
        yield self.sell
        if self.turn % 4 == 0:
            yield self.bill
        if self.turn % 5 == 0:
            yield self.replay
        if self.turn % 15 == 0 and not self.healed:
            yield self.break_something
        for due, undo in list(self._off):
            if self.turn >= due:
                yield undo
                self._off.remove((due, undo))

    def win(self) -> None:
        if self.won < len(self.deals):
            self.platforms.seed("salesforce", {"opportunities": [self.deals[self.won].seed()], "push": True})
            self.won += 1

    def bill(self) -> None:
        made = self.platforms.control("zuora", "bill-run", {"until": clock.today().isoformat()})
        self.bills += len(made["invoices"]) if isinstance(made["invoices"], list) else int(made["invoices"])

    def sell(self) -> None:
        """A web shop's order, sent once to three times, until it is answered."""
        if self.healed:
            return
        order = self.shop.order()
        event = {
            "specversion": "1.0", "id": f"shop-{order.order_number}", "source": "webshop", "type": "OrderReceived",
            "time": clock.now().isoformat(), "data": _plain(order),
        }  # fmt: skip
        body, wanted, done = json.dumps(event).encode(), self.chance.choice((1, 1, 2, 3)), 0
        headers = {"Content-Type": "application/cloudevents+json"}
        deadline = time.monotonic() + 60
        while done < wanted and time.monotonic() < deadline and not ENDED.is_set():
            with tried("sell"):
                said = self.http.post(f"{self.options.url}/api/v1/events", data=body, headers=headers, timeout=5)
                if said.status_code < 300:
                    done += 1
                    self.answered[event["id"]] = said.status_code
                    continue
                say("refused", id=event["id"], status=said.status_code, text=said.text[:300])
            time.sleep(0.5)

    def break_something(self) -> None:
        """As users of the ERP do: a month is closed, a cost centre switched off; for a while."""
        kind, key, off, on = self.chance.choice(
            (
                ("accountingPeriod", erp_period(clock.today().replace(day=1)), {"closed": True}, {"closed": False}),
                ("department", "CC-200", {"isInactive": True}, {"isInactive": False}),
                ("department", "CC-300", {"isInactive": True}, {"isInactive": False}),
            )
        )
        self.platforms.change(systems.ERP, kind, key, **off)
        self._off.append((self.turn + self.chance.randint(5, 20), lambda: self._undo(kind, key, on)))
        say("cause", kind=kind, key=key)

    def _undo(self, kind: str, key: str, fields: dict[str, Any]) -> None:
        self.platforms.change(systems.ERP, kind, key, **fields)

    def replay(self) -> None:
        """What is offered is taken, and some of the rest is tried again, one by one and at once by two people."""
        mei, nora = (get_user_model().objects.get(username=name) for name in ("mei", "nora"))
        for offer in Offer.objects.filter(state="open")[:2]:
            with tried("offer"):
                batch = desk.take_offer(mei, offer.id)
                desk.send(mei, batch.id)
                self.replays += batch.size
        found = Case.objects.filter(state__in=TO_DO, step_id__isnull=False).order_by("?")[:REPLAYED_A_TURN]
        for case in found:
            # What is wrong in itself stays a case: that is told, not tried for ever.
            if self.tried[case.id] >= REPLAYS_OF_A_CASE:
                continue
            self.tried[case.id] += 1
            for person in (mei, nora) if self.chance.random() < 0.3 else (mei,):
                with tried("replay"):
                    desk.replay_one(person, case.id)
                    self.replays += 1

    def heal(self) -> None:
        """Nothing is in the way of anything any more, and second persons sign what waits for them."""
        for vendor in ("salesforce", "zuora", "netsuite", "avatax", "credit"):
            self.platforms.no_fault(vendor)
        for _, undo in self._off:
            undo()
        self._off.clear()
        self.sign()
        self.healed = True
        self.tried.clear()
        say("healed")

    def sign(self) -> None:
        dmitri = get_user_model().objects.get(username="dmitri")
        waiting = Approval.objects.filter(state="requested")
        for approval in waiting:
            with tried("sign"):
                desk.approve(dmitri, [approval.id])

    def told(self) -> dict[str, Any]:
        return {"won": self.won, "billed": self.bills, "replays": self.replays, "sold": len(self.answered)}


ENDED, HEALED = threading.Event(), threading.Event()


def say(did: str, /, **more: Any) -> None:
    sys.stdout.write(json.dumps({"did": did, **more}, default=str) + "\n")
    sys.stdout.flush()


@contextmanager
def tried(what: str) -> Iterator[None]:
    """What does not work now, works later, or is not possible; anything else is a mistake of ours and raises."""
    try:
        yield
    except (NotPossible, Refused):
        pass
    except AWAY as error:
        connection.close()
        close_old_connections()
        say("away", what=what, text=f"{type(error).__name__}: {error}"[:200])


def _plain(document: Any) -> Any:
    import msgspec

    return msgspec.to_builtins(document)


def _hear() -> None:
    for line in sys.stdin:
        if line.strip() == "heal":
            HEALED.set()
        elif line.strip() == "end":
            break
    ENDED.set()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--documents", type=int, required=True)
    parser.add_argument("--minutes", type=float, required=True)
    parser.add_argument("--url", required=True, help="of the web process")
    parser.add_argument("--post", required=True, help="of the post room, through which webhooks go")
    traffic = Traffic(parser.parse_args())
    traffic.found()
    threading.Thread(target=_hear, daemon=True).start()
    traffic.go_on()
    say("ended", **traffic.told(), answered=sorted(traffic.answered))


if __name__ == "__main__":
    main()
