"""Two thousand orders wait for a slow billing platform; the ledger's journals are posted as on any other day.

Real workers, one per queue as production starts them. What keeps the one from the other is not speed but that each
queue has a worker of its own: when the journals are there, most of the flood still waits.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from exceptions.models import Case
from q2c import clock, keys, states, tasks
from q2c.contracts.events import CustomerSynced, OrderFact
from q2c.demo.company import ERP
from q2c.engine import emit, run
from q2c.models import Order, OrderGroup, Step, WorkerSeen
from tests.scenarios.conftest import Story
from tests.scenarios.test_lost_answer import training, unposted  # noqa: F401
from tests.scenarios.workers import until, worker

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.live]

FLOOD, JOURNALS = 2000, 4
# Of the machine, which does other things: how much longer the same journals may take than on an idle day.
TIMES, GRACE_S = 3.0, 4.0


@pytest.mark.usefixtures("unposted")
def test_a_flood_of_orders_leaves_the_ledger_its_worker(
    today: Story, tmp_path: Path, closing_connections: None
) -> None:
    today.close(*[training(f"SO-{number}", clock.today()) for number in range(4201, 4201 + 2 * JOURNALS)])
    today.bill()
    journals = list(Step.objects.filter(stage="post_journal").order_by("seq").values_list("id", flat=True))
    assert len(journals) == 2 * JOURNALS
    first, second = journals[:JOURNALS], journals[JOURNALS:]
    Step.objects.filter(id__in=second).update(next_at=clock.now() + clock.days(1))
    flood(today)
    today.platforms.fault("zuora", "latency", "create_order_async", value=500)
    log = tmp_path / "workers.log"
    with worker("posting", log=log, name="posting"), worker("provisioning", log=log, name="provisioning"):
        idle_s = posted(first)
        tasks.run_stage.apply_async(args=["provision_billing"], queue="provisioning")
        until(lambda: Step.objects.filter(stage="provision_billing", state="accepted").exists())
        Step.objects.filter(id__in=second).update(next_at=clock.now())
        flooded_s = posted(second)
        left = Step.objects.filter(stage="provision_billing", state__in=("waiting", "running")).count()
        # Its threads are all at work and hear no heartbeat; that it lives is seen all the same.
        WorkerSeen.objects.filter(queue="provisioning").update(seen_at=clock.now() - clock.days(1))
        until(lambda: WorkerSeen.objects.get(queue="provisioning").seen_at > clock.now() - clock.seconds(30), 30)
    assert left > FLOOD / 2, "the flood was over before anything could be seen"
    assert flooded_s < TIMES * idle_s + GRACE_S, f"{idle_s:.1f} s on an idle day, {flooded_s:.1f} s in the flood"
    assert len(today.platforms.records(ERP, "journalEntry")) == 2 * JOURNALS
    assert not Case.objects.exists()


@pytest.mark.usefixtures("unposted")
def test_a_flood_on_the_sales_platform_leaves_the_sweeper_its_thread(
    today: Story, tmp_path: Path, closing_connections: None
) -> None:
    """It runs beside the stage that writes back, and whatever waits to be tried again is woken by it alone."""
    orders = copied(today, 210)
    facts = [OrderFact(order_id=str(order.id), order_number=order.number) for order in orders]
    today.platforms.fault("salesforce", "latency", "update", value=2000)
    emit.store([_incoming("OrderRejected", fact) for fact in facts])
    Step.objects.exclude(stage="write_back").update(next_at=clock.now() + clock.days(1))
    with worker("outbound", log=tmp_path / "workers.log"):
        for _ in range(12):
            tasks.run_stage.apply_async(args=["write_back"], queue="outbound")
        until(lambda: Step.objects.filter(stage="write_back", state="running").exists())
        began = clock.now()
        tasks.sweep.apply_async(queue="outbound")
        until(lambda: WorkerSeen.objects.filter(queue="sweeper", seen_at__gte=began).exists(), 10)
        assert Step.objects.filter(stage="write_back", state="running").exists(), "it was over before"


def posted(ids: list[object]) -> float:
    """The worker of the ledger is woken. Seconds until all of these are done."""
    began = time.monotonic()
    tasks.run_stage.apply_async(args=["post_journal"], queue="posting")
    until(lambda: Step.objects.filter(id__in=ids, state="done").count() == len(ids), 45)
    return time.monotonic() - began


def flood(story: Story) -> None:
    """Two thousand orders, each waiting to be provisioned."""
    orders = copied(story, FLOOD)
    run.drain("sync_customer")
    synced = Step.objects.get(stage="provision_billing", state="waiting").event
    given = msgspec.json.decode(synced.payload, type=CustomerSynced)
    facts = [
        CustomerSynced(
            order_id=str(order.id), order_number=order.number, connection=given.connection, account=given.account
        )
        for order in orders
    ]
    emit.store([_incoming("CustomerSynced", fact) for fact in facts])
    assert Step.objects.filter(stage="provision_billing", state="waiting").count() == FLOOD + 1


def copied(story: Story, count: int) -> list[Order]:
    """As many accepted orders, all of which say what one says that came all the way."""
    story.sales.close([training("SO-5000", clock.today())])
    story.flow.poll("salesforce")
    run.drain("accept_order")
    model, group = Order.objects.get(number="SO-5000"), OrderGroup.objects.get(order__number="SO-5000")
    orders, groups = [], []
    for i in range(count):
        fields = {f.attname: getattr(model, f.attname) for f in Order._meta.fields if f.attname not in ("id", "state")}
        number = f"SO-5{i + 1:04d}"
        document = model.document.replace('"SO-5000"', f'"{number}"')
        orders.append(
            Order(**fields | {"deal": "", "number": number, "document": document, "correlation_id": keys.new_id()})
        )
        kept = {f.attname: getattr(group, f.attname) for f in OrderGroup._meta.fields if f.attname != "id"}
        groups.append(OrderGroup(**kept | {"order_id": orders[-1].id}))
    Order.objects.bulk_create(orders)
    OrderGroup.objects.bulk_create(groups)
    states.move(Order, "accept", [order.id for order in orders], accepted_at=clock.now())
    return orders


def _incoming(type_: str, fact: CustomerSynced | OrderFact) -> emit.Incoming:
    return emit.Incoming(
        type=type_, version=1, source="q2c", source_id=f"flood:{fact.order_number}", correlation_id=keys.new_id(),
        causation_id=None, occurred_at=clock.now(), raw=msgspec.json.encode(fact), payload=fact,
    )  # fmt: skip
