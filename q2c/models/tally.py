"""How many records of a noun stand in which state, what they are worth, and on which day they were made."""

from __future__ import annotations

from django.db import connection, models, transaction

from q2c.sums import SumMinor

# Only where differences have piled up: a day that is over costs nothing any more.
_FOLD = """
WITH crowded AS (
  SELECT noun, state, entity, currency, made_on FROM q2c_tally GROUP BY 1, 2, 3, 4, 5 HAVING count(*) > 8),
gone AS (
  DELETE FROM q2c_tally t USING crowded c
  WHERE (t.noun, t.state, t.entity, t.currency, t.made_on) = (c.noun, c.state, c.entity, c.currency, c.made_on)
  RETURNING t.*)
INSERT INTO q2c_tally (noun, state, entity, currency, made_on, records, amount_minor, credit_minor, mirror_minor)
SELECT noun, state, entity, currency, made_on, sum(records), sum(amount_minor), sum(credit_minor), sum(mirror_minor)
FROM gone GROUP BY 1, 2, 3, 4, 5
HAVING sum(records) <> 0 OR sum(amount_minor) <> 0 OR sum(credit_minor) <> 0 OR sum(mirror_minor) <> 0
"""


class Tally(models.Model):
    """Rows are differences, to be summed. `noun` order | subscription | invoice | journal; amounts are minor units,
    and `credit_minor` is what of the amount is below zero. Mirror entries that take something back, and invoices whose
    journal was reversed, are worth nothing in `amount_minor`; `mirror_minor` is what those entries take back.

    The database writes them (migrations/0005, 0040, 0046): each statement that makes or moves records appends what it
    changed, so no two writers meet on a row, and a page over millions of records sums a few thousand. `fold` adds them
    up.
    """

    noun = models.CharField(max_length=16)
    state = models.CharField(max_length=24)
    entity = models.CharField(max_length=20, blank=True)
    currency = models.CharField(max_length=3, blank=True)
    made_on = models.DateField()
    records = models.BigIntegerField()
    amount_minor = SumMinor()
    credit_minor = SumMinor(default=0, db_default=0)
    mirror_minor = SumMinor(default=0, db_default=0)


def fold() -> None:
    """Add up the differences. Run now and then; one at a time, and readers see the same sums before and after."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext('q2c_tally_fold'))")
        if cursor.fetchone() == (True,):
            cursor.execute(_FOLD)
