"""What reversals are about has the sign of their mirror entry: that of a charge takes away, that of a credit gives back.

Of steps that are not done, their cases that have not ended, and what is asked about these. What is done, or has ended,
keeps what was said of it.
"""

from django.db import migrations

# A step that asks for a reversal has an amount where its journal is known; only then is there an id to be read.
SIGNED = """
WITH told AS (
  SELECT s.id, CASE s.stage WHEN 'post_journal' THEN j.worth_minor ELSE -j.worth_minor END AS minor
  FROM q2c_step s JOIN q2c_event e ON e.id = s.event_id
  JOIN ledger_journalentry j
    ON j.id = CASE WHEN s.amount_minor IS NOT NULL THEN (e.payload ->> 'journal_id')::uuid END
  WHERE s.state <> 'done' AND (s.stage = 'reverse_journal' OR (s.stage = 'post_journal' AND j.reverses_id IS NOT NULL))
), steps AS (
  UPDATE q2c_step s SET amount_minor = t.minor FROM told t WHERE s.id = t.id AND s.amount_minor <> t.minor
), cases AS (
  UPDATE exceptions_case c SET amount_minor = t.minor FROM told t
  WHERE c.step_id = t.id AND c.resolved_at IS NULL AND c.amount_minor <> t.minor RETURNING c.id, t.minor
)
UPDATE exceptions_approval a SET amount_minor = c.minor FROM cases c
WHERE a.case_id = c.id AND a.state = 'requested' AND a.amount_minor IS NOT NULL
"""


class Migration(migrations.Migration):
    dependencies = [
        ("q2c", "0051_what_was_reversed_and_changed"),
        ("exceptions", "0018_unreadable_documents_are_found"),
        ("ledger", "0015_mirrors_take_back"),
    ]

    operations = [migrations.RunSQL(SIGNED, migrations.RunSQL.noop)]
