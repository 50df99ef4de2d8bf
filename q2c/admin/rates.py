"""What a person should know of an exchange rate that is taken all the same."""

from __future__ import annotations

from decimal import Decimal

from django.db.models import Q, QuerySet

from exceptions.sentences import count
from ledger.models import FxRate, JournalEntry

# A rate that moves further from the one before it is more often a slip of the pen than the market.
MOVES_MOST = Decimal("0.10")


def doubts(rate: FxRate) -> list[str]:
    """Of a rate that is about to be saved. Four statements at most."""
    return [said for said in (_moves(rate), _booked(rate)) if said]


def _moves(rate: FxRate) -> str:
    pair = _same_pair(rate)
    # A file may bring the latest first.
    before = pair.filter(on__lt=rate.on).order_by("-on").first() or pair.filter(on__gt=rate.on).order_by("on").first()
    if before is None or not rate.rate or not before.rate:
        return ""
    share = rate.rate / before.rate - 1
    if abs(share) <= MOVES_MOST:
        return ""
    moved = f"{abs(share) * 100:,.0f} % {'above' if share > 0 else 'below'}"
    return f"{_called(rate)} is {_plain(rate.rate)}, {moved} the {_plain(before.rate)} of {before.on}"


def _booked(rate: FxRate) -> str:
    was = FxRate.objects.filter(pk=rate.pk).values_list("rate", flat=True).first()
    if was is None or was == rate.rate or rate.kind != "spot":
        return ""
    at_it = Q(functional_currency=rate.to_currency, functional_rate=was) | Q(
        group_currency=rate.to_currency, group_rate=was
    )
    entries = JournalEntry.objects.filter(at_it, currency=rate.from_currency, effective_on__gte=rate.on)
    following = _same_pair(rate).filter(on__gt=rate.on).order_by("on").values_list("on", flat=True).first()
    number = (entries.filter(effective_on__lt=following) if following else entries).count()
    if not number:
        return ""
    stay = "was booked at it and stays as it is" if number == 1 else "were booked at it and stay as they are"
    return f"{_called(rate)} was {_plain(was)}: {count(number, 'journal')} {stay}"


def _same_pair(rate: FxRate) -> QuerySet[FxRate]:
    pair = {"from_currency": rate.from_currency, "to_currency": rate.to_currency, "kind": rate.kind}
    return FxRate.objects.filter(**pair).exclude(pk=rate.pk)


def _called(rate: FxRate) -> str:
    return f"The {rate.kind} rate from {rate.from_currency} to {rate.to_currency} of {rate.on}"


def _plain(rate: Decimal) -> str:
    return f"{rate.normalize():f}"
