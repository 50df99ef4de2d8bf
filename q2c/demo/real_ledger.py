"""The German company's books in a real ERP, where bin/demo was asked for one."""

from __future__ import annotations

import datetime as dt
import json
import os

from ledger.models import LegalEntity
from q2c.demo import catalogue
from q2c.demo.platforms import Platforms
from q2c.models import Connection, Product

ENTITY = "DE"
# What bin/demo --erp says of it: {"erp": "tryton", "url": its address, "key": of the connector's user}.
VARIABLE = "Q2C_DEMO_ERP"


def connect(platforms: Platforms, since: dt.date) -> str:
    """The entity posts there from the beginning, through the gate, so that people can break it. Returns the vendor."""
    if not (given := os.environ.get(VARIABLE)):
        return ""
    there = json.loads(given)
    vendor = str(there["erp"])
    platforms.seed(vendor, {"upstream": there["url"]})
    Connection.objects.create(
        name=vendor, title=f"{vendor.capitalize()} of Tern Systems GmbH", vendor=vendor, service="journals",
        base_url=f"sandbox://{vendor}", credentials={"key": there["key"]}, concurrency=1,
    )  # fmt: skip
    entity = LegalEntity.objects.get(code=ENTITY)
    entity.erp_connection = vendor
    entity._change_reason = "books kept there"  # type: ignore[attr-defined]
    entity.save()
    for product in Product.objects.exclude(code__in=catalogue.LAUNCHED_LATER):
        catalogue.mapping(product, since, vendor).save()
    return vendor
