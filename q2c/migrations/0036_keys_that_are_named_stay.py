"""What orders and invoices name by its key keeps that key: they hold it as text, and would name nothing any more.

As accounts keep their codes once they have been booked on (ledger/migrations/sql/master_data.sql). The ledger knows
nothing of orders, so the guard of its entities stands here: the database sees both.
"""

from __future__ import annotations

from django.db import migrations

# Table, its key, what it is called, what to do instead, and where the key is held as text.
_NAMED = (
    (
        "q2c_product", "code", "product", "make it inactive and add a new one",
        ("q2c_orderline.product", "q2c_invoiceline.product"),
    ),
    (
        "q2c_customer", "key", "customer", "make it inactive and add a new one",
        ("q2c_order.customer_key", "q2c_order.payer_key", "q2c_ordergroup.bill_to", "q2c_customer.parent_key"),
    ),
    (
        "ledger_legalentity", "code", "entity", "make it inactive and add a new one",
        ("q2c_order.contract_entity", "q2c_ordergroup.entity", "q2c_invoice.entity", "q2c_taxnexus.entity",
         "q2c_commercialpolicy.entity"),
    ),
)  # fmt: skip

_GUARD = """
CREATE FUNCTION q2c_guard_named_{name}() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF {held} THEN
    RAISE EXCEPTION '{name} % is named by orders, invoices or other records: its {key} stays; {instead}', OLD.{key}
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = '{name}_named';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER {table}_named BEFORE UPDATE OF {key} ON {table} FOR EACH ROW
  WHEN (OLD.{key} IS DISTINCT FROM NEW.{key}) EXECUTE FUNCTION q2c_guard_named_{name}();
"""


def _guard(table: str, key: str, name: str, instead: str, places: tuple[str, ...]) -> migrations.RunSQL:
    held = " OR ".join(
        f"EXISTS (SELECT FROM {place.partition('.')[0]} WHERE {place.partition('.')[2]} = OLD.{key})"
        for place in places
    )
    return migrations.RunSQL(
        _GUARD.format(table=table, key=key, name=name, instead=instead, held=held),
        f"DROP TRIGGER {table}_named ON {table}; DROP FUNCTION q2c_guard_named_{name}()",
    )


class Migration(migrations.Migration):
    dependencies = [("q2c", "0035_policies_have_bounds"), ("ledger", "0002_guards")]

    operations = [_guard(*named) for named in _NAMED]
