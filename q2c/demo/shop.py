"""The web shop: it sends its orders as events, and now and then sends what it should not."""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import replace
from decimal import Decimal
from typing import Any

import msgspec

from q2c import clock, money
from q2c.connectors.http import json_body
from q2c.contracts.documents import Address, Billing, InvoiceGroup, OrderDocument, OrderLine, Party
from q2c.demo import catalogue
from q2c.demo.company import BY_CODE as COMPANIES
from q2c.demo.customers import FORMS, Account
from q2c.demo.deals import CURRENCIES, SERVED_BY
from q2c.engine import intake
from q2c.engine.intake import Item, Sender

SOURCE = "webshop"
_SOLD = ("EDGE-BOX", "TRAINING")
_STRANGERS = ("Beacon Hill Studio", "Larkspur Works", "Millrace Partners", "Foxglove Labs")


class Shop:
    """Sells to whom it may: single customers that the sales platform knows."""

    def __init__(self, accounts: list[Account], chance: random.Random) -> None:
        self.buyers = [account for account in accounts if not account.parent and not account.below]
        self.chance = chance
        self.sold = 0
        self._last: OrderDocument | None = None
        # What was sent wrong, by event id; and who bought without being known, by customer number.
        self.wrong: dict[str, OrderDocument] = {}
        self.strangers: dict[str, Account] = {}

    def order(self, buyer: Account | None = None, *, known: bool = True) -> OrderDocument:
        """A small order of today. Not `known`: the shop leaves out who its customer is, and says only their number."""
        account = buyer or self.chance.choice(self.buyers)
        self.sold += 1
        today, currency = clock.today(COMPANIES[SERVED_BY[account.region]].zone), CURRENCIES[account.region]
        product = self.chance.choice(_SOLD)
        good, quantity = catalogue.BY_CODE[product], self.chance.randint(1, 6)
        line = OrderLine(
            line=1, product=product, group=account.region, kind="one_time", quantity=str(quantity),
            unit_price=good.prices[currency],
            amount_minor=money.Money.of(Decimal(good.prices[currency]) * quantity, currency).minor,
            billing=Billing(frequency="once"), revenue_treatment=good.treatment,  # type: ignore[arg-type]
            description=good.name,
        )  # fmt: skip
        country, (street, city, state, postal_code) = account.country, account.address
        address = Address(country=country, region=state, city=city, postal_code=postal_code, line1=street)
        party = Party(
            key=account.key, name=account.name, billing_address=address,
            email=f"payables@{account.key.lower()}.example",
        )  # fmt: skip
        return OrderDocument(
            order_number=f"WEB-{20_000 + self.sold}", customer=account.key, contract_entity=SERVED_BY[account.region],
            currency=currency, closed_on=today, starts_on=today + dt.timedelta(days=1), term_months=12,
            payment_term_days=14, parties=(party,) if known else (),
            groups=(
                InvoiceGroup(
                    key=account.region, region=account.region, legal_entity=SERVED_BY[account.region],
                    bill_to=account.key, ship_to=address, currency=currency,
                ),
            ),
            lines=(line,),
        )  # fmt: skip

    def send(self, order: OrderDocument, **wrong: Any) -> str:
        """As the shop posts it to the events address; `wrong` members take the place of the right ones."""
        self._last = order
        document = {**msgspec.to_builtins(order), **wrong}
        id_ = f"shop-{order.order_number}"
        event = {
            "specversion": "1.0", "id": id_, "source": SOURCE, "type": "OrderReceived",
            "time": clock.now().isoformat(), "data": document,
        }  # fmt: skip
        intake.take([Item(body=json_body(event))], Sender(system=SOURCE, actor=f"api:{SOURCE}"))
        return id_

    def sell(self) -> None:
        self.send(self.order())

    def contradict(self) -> None:
        """The last order once more under its id, after somebody has edited it in the shop."""
        if self._last is not None:
            self.send(self._last, payment_term_days=45)

    def mistake(self) -> None:
        """An order that nobody can read: the shop's new release writes the quantity as it shows it."""
        order = self.order()
        lines = [{**msgspec.to_builtins(line), "quantity": f"{line.quantity} pcs"} for line in order.lines]
        self.wrong[self.send(order, lines=lines)] = order

    def send_right(self, id_: str) -> bool:
        order = self.wrong.pop(id_, None)
        if order is not None:
            self.send(order)
        return order is not None

    def stranger(self) -> None:
        """Somebody buys whom the sales platform does not know yet."""
        model = self.chance.choice(self.buyers)
        name = f"{_STRANGERS[len(self.strangers) % len(_STRANGERS)]} {FORMS[model.region]}"
        account = replace(model, key=f"W-{7001 + len(self.strangers)}", name=name)
        self.strangers[account.key] = account
        self.send(self.order(account, known=False))
