"""Payloads are compressed with lz4 where the server has it: half the CPU of the default."""

from django.db import migrations

LZ4 = """
DO $$ BEGIN
  ALTER TABLE q2c_event ALTER COLUMN payload SET COMPRESSION lz4;
  ALTER TABLE q2c_attempt ALTER COLUMN response_body SET COMPRESSION lz4;
EXCEPTION WHEN feature_not_supported THEN NULL;
END $$;
"""


class Migration(migrations.Migration):
    dependencies = [("q2c", "0001_flow_records")]
    operations = [migrations.RunSQL(LZ4, migrations.RunSQL.noop)]
