"""What orders and invoices name by its key is not deleted, either: they would name nothing any more."""

from __future__ import annotations

from importlib import import_module

from django.db import migrations

_NAMED = import_module("q2c.migrations.0036_keys_that_are_named_stay")._NAMED

_GUARD = """
CREATE FUNCTION q2c_guard_deleted_{name}() RETURNS trigger LANGUAGE plpgsql
  SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF {held} THEN
    RAISE EXCEPTION '{name} % is named by orders, invoices or other records: make it inactive instead', OLD.{key}
      USING ERRCODE = 'foreign_key_violation', CONSTRAINT = '{name}_named';
  END IF;
  RETURN OLD;
END $$;
CREATE TRIGGER {table}_not_deleted BEFORE DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION q2c_guard_deleted_{name}();
"""


def _guard(table: str, key: str, name: str, places: tuple[str, ...]) -> migrations.RunSQL:
    held = " OR ".join(
        f"EXISTS (SELECT FROM {place.partition('.')[0]} WHERE {place.partition('.')[2]} = OLD.{key})"
        for place in places
    )
    return migrations.RunSQL(
        _GUARD.format(table=table, key=key, name=name, held=held),
        f"DROP TRIGGER {table}_not_deleted ON {table}; DROP FUNCTION q2c_guard_deleted_{name}()",
    )


class Migration(migrations.Migration):
    dependencies = [("q2c", "0037_tax_within_one_point")]

    operations = [_guard(table, key, name, places) for table, key, name, _, places in _NAMED]
