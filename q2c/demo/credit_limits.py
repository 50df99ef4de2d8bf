"""What the credit service grants the customers: round amounts in their own currency, wide enough for what they buy.

Except for those deals that are to meet a limit: their payer's limits lie below the deal.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from q2c.demo.customers import Account
from q2c.demo.deals import CURRENCIES, Deal

# (soft, hard), in thousands; of yen in hundred thousands.
_LADDER = (
    (10, 20), (25, 50), (50, 75), (75, 100), (100, 150), (150, 250), (250, 400), (400, 600), (600, 900), (900, 1_300),
    (1_300, 1_900), (1_900, 2_800), (2_800, 4_200), (4_200, 6_300), (6_300, 9_500), (9_500, 14_000),
)  # fmt: skip
# What everybody has at least, unless a deal of theirs is to meet a limit.
_WIDE = 8
REFER, DECLINE = "refer", "decline"


class CreditLimits:
    """The rungs of the payers, found from what they buy in the year."""

    def __init__(self, accounts: Sequence[Account], deals: Sequence[Deal]) -> None:
        self.accounts = {account.key: account for account in accounts}
        self._owed: dict[str, list[tuple[dt.date, str, Decimal]]] = defaultdict(list)
        self._narrow: dict[str, int] = {}
        for deal in deals:
            for payer, amount in self._amounts(deal).items():
                self._owed[payer].append((deal.closed_on, deal.number, amount))

    def meets(self, deal: Deal, verdict: str) -> bool:
        """Narrow the limits of the one who pays so that this deal, and no other of theirs, gets the verdict.

        It is their last: until they are billed, earlier ones count with it, and it would count with later ones.
        """
        amounts = self._amounts(deal)
        if len(amounts) != 1 or (payer := next(iter(amounts))) in self._narrow:
            return False
        amount, others = amounts[payer], [one for one in self._owed[payer] if one[1] != deal.number]
        if any(closed_on >= deal.closed_on for closed_on, *_ in others):
            return False
        earlier = sum((each for *_, each in others), Decimal(0))
        for rung in reversed(range(len(_LADDER))):
            soft, hard = self._step(payer, rung)
            if earlier <= soft and (soft < amount <= hard - earlier if verdict == REFER else hard < amount):
                self._narrow[payer] = rung
                return True
        return False

    def rows(self) -> list[dict[str, Any]]:
        """All customers as the credit service takes them."""
        return [self._row(key, self._narrow.get(key, self._wide(key))) for key in self.accounts]

    def raised(self, key: str) -> dict[str, Any]:
        """A customer after their limits were looked at again."""
        return self._row(key, self._wide(key))

    def _payer(self, account: Account) -> Account:
        while account.parent and not account.pays_for_itself:
            account = self.accounts[account.parent]
        return account

    def _amounts(self, deal: Deal) -> dict[str, Decimal]:
        """By payer, in the payer's currency: a group is invoiced in the currency of its region, the payer's too."""
        found: dict[str, Decimal] = defaultdict(Decimal)
        for number, line in enumerate(deal.lines, 1):
            payer = self._payer(deal.groups[line.group])
            found[payer.key] += Decimal(deal.line(number).get("Contract_Amount__c", "0"))
        return found

    def _step(self, key: str, rung: int) -> tuple[Decimal, Decimal]:
        unit = 100_000 if CURRENCIES[self.accounts[key].region] == "JPY" else 1_000
        soft, hard = _LADDER[rung]
        return Decimal(soft * unit), Decimal(hard * unit)

    def _wide(self, key: str) -> int:
        # As if nothing were billed before the year is over.
        most = sum((amount for *_, amount in self._owed[key]), Decimal(0))
        fits = (rung for rung in range(_WIDE, len(_LADDER)) if self._step(key, rung)[0] >= most)
        return next(fits, len(_LADDER) - 1)

    def _row(self, key: str, rung: int) -> dict[str, Any]:
        account, (soft, hard) = self.accounts[key], self._step(key, rung)
        return {
            "id": key, "name": account.name, "currency": CURRENCIES[account.region], "soft_limit": str(soft),
            "hard_limit": str(hard), "exposure": "0", "on_hold": False,
        }  # fmt: skip
