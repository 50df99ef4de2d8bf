"""A document is followed by its logs alone: what the workers wrote under its correlation id is its way.

9 Mar 2026   A day of training is sold to Leeds and billed; the ledger is busy once before it takes the journal.
"""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from q2c.demo.company import ERP
from q2c.demo.deals import Deal, Line
from q2c.models import Step
from tests.scenarios.conftest import LEEDS, Story, entry

pytestmark = pytest.mark.django_db(transaction=True)
DAY = dt.date(2026, 3, 9)


def lines(log: Path, correlation_id: Any) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    mine = [line for line in found if line["correlation_id"] == str(correlation_id)]
    return [line for line in mine if line["logger"] == "q2c.engine.lines"]


@pytest.mark.live
def test_the_workers_log_tells_the_way_of_a_deal_and_of_its_invoice(worked: Story, tmp_path: Path) -> None:
    story = worked
    deal = Deal(
        number="SO-5001", customer=LEEDS, closed_on=DAY, starts_on=DAY, months=12, contract_entity="UK",
        currency="GBP", groups={"UK": LEEDS}, lines=[Line(product="TRAINING", group="UK", quantity=1)],
    )  # fmt: skip
    with story.on("2026-03-09"):
        story.close(deal)
        story.platforms.fault(ERP, "unavailable", "create_journal", times=1)
        (number,) = story.bill()
    with story.on("2026-03-09", "09:30"):
        story.flow.work()
    log = tmp_path / "workers.log"
    accepted, posted = Step.objects.get(stage="accept_order"), Step.objects.get(stage="post_journal")
    way = lines(log, accepted.correlation_id)
    stages = [line["stage"] for line in way if line["state"] == "done"]
    assert stages[0] == "accept_order"
    assert {"sync_customer", "provision_billing"} <= set(stages)
    assert {line["business_key"] for line in way if line["stage"] == "provision_billing"} == {"SO-5001"}
    last = [line for line in lines(log, posted.correlation_id) if line["stage"] == "post_journal"]
    assert [(line["state"], line["reason"], line["document"]) for line in last] == [
        ("waiting", "platform_unavailable", ""),
        ("done", "", entry(number).document_number),
    ]
    assert [line["attempt"] for line in last] == [1, 2]
    assert {line["connection"] for line in last} == {posted.connection}
    assert last[-1]["calls"] >= 1 and last[-1]["duration_ms"] >= last[-1]["calls_ms"] > 0
    assert last[-1]["step"] == str(posted.id)
