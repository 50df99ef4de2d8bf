"""An order says what its total is made of; those that bill in another currency than the contract's are brought to it."""

from __future__ import annotations

import django.contrib.postgres.indexes
from django.db import migrations, models
from django.db.models import JSONField, Q, Value

from q2c import money

# As q2c.stages.totals counts: the latest spot rate on or before the day the deal closed, rounded half up.
FILLED = """
WITH of_group AS (
  SELECT o.id, o.currency AS contract, g->>'key' AS key, g->>'currency' AS currency
  FROM q2c_order o CROSS JOIN LATERAL json_array_elements(o.document->'groups') g
), mixed AS (
  SELECT DISTINCT id FROM of_group WHERE currency <> contract
), sold AS (
  SELECT o.id, o.currency AS contract, o.closed_on, coalesce(g.currency, o.currency) AS currency,
         sum((l->>'amount_minor')::bigint) AS minor
  FROM mixed JOIN q2c_order o USING (id) CROSS JOIN LATERAL json_array_elements(o.document->'lines') l
  LEFT JOIN of_group g ON g.id = o.id AND g.key = l->>'group'
  GROUP BY 1, 2, 3, 4
), worth AS (
  SELECT s.*, r.rate, r.on,
         CASE WHEN s.currency = s.contract THEN s.minor
              ELSE round(s.minor * r.rate * power(10::numeric, t.exponent - f.exponent)) END AS worth
  FROM sold s
  JOIN unnest(%(codes)s::text[], %(exponents)s::int[]) AS f(code, exponent) ON f.code = s.currency
  JOIN unnest(%(codes)s::text[], %(exponents)s::int[]) AS t(code, exponent) ON t.code = s.contract
  LEFT JOIN LATERAL (
    SELECT x.rate, x.on FROM ledger_fxrate x
    WHERE s.currency <> s.contract AND x.from_currency = s.currency AND x.to_currency = s.contract
      AND x.kind = 'spot' AND x.on <= s.closed_on
    ORDER BY x.on DESC LIMIT 1) r ON true
), made AS (
  SELECT id, jsonb_agg(jsonb_build_object(
    'currency', currency, 'amount_minor', minor, 'worth_minor', worth::bigint, 'rate', rate::text, 'rate_on', "on"
  ) ORDER BY currency <> contract, currency) AS portions
  FROM worth GROUP BY id HAVING bool_or(currency <> contract)
)
UPDATE q2c_order SET portions = made.portions FROM made WHERE made.id = q2c_order.id
"""


def fill(apps, schema_editor) -> None:
    codes, exponents = zip(*money.EXPONENTS.items(), strict=True)
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(FILLED, {"codes": list(codes), "exponents": list(exponents)})


class Migration(migrations.Migration):
    dependencies = [("q2c", "0016_guards_caught_up"), ("ledger", "0003_redatings")]

    operations = [
        migrations.AddField("order", "portions", models.JSONField(default=list, db_default=Value([], JSONField()))),
        migrations.RunPython(fill, migrations.RunPython.noop),
        migrations.AddIndex(
            "order", models.Index(fields=["currency", "-received_at", "-id"], name="order_currency"),
        ),
        migrations.AddIndex(
            "order",
            django.contrib.postgres.indexes.GinIndex(
                fields=["portions"], opclasses=["jsonb_path_ops"], condition=~Q(portions=[]), name="order_other_currency"
            ),
        ),
    ]  # fmt: skip
