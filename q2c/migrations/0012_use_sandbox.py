"""A right of its own to change records in a sandbox, apart from that to break it."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("q2c", "0011_reversals_net_out")]

    operations = [
        migrations.AlterModelOptions(
            name="connection",
            options={
                "permissions": [("use_sandbox", "Can change records in a sandbox as a user of that platform would")]
            },
        ),
    ]
