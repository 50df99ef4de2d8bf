"""The ledger's nouns, one file each."""

from ledger.models.account import Account
from ledger.models.dimension import Dimension, DimensionRule, DimensionValue
from ledger.models.entity import LegalEntity
from ledger.models.fx_rate import FxRate
from ledger.models.journal_entry import JournalEntry, JournalLine
from ledger.models.period import FiscalPeriod
from ledger.models.posting_rule import PostingRule, PostingRuleLine
from ledger.models.redating import Redating
from ledger.models.series import JournalSeries

__all__ = [
    "Account",
    "Dimension",
    "DimensionRule",
    "DimensionValue",
    "FiscalPeriod",
    "FxRate",
    "JournalEntry",
    "JournalLine",
    "JournalSeries",
    "LegalEntity",
    "PostingRule",
    "PostingRuleLine",
    "Redating",
]
