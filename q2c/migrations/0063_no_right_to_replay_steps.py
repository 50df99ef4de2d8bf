"""Steps are replayed by who may replay their cases: the right of its own was asked for nowhere."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import migrations

RIGHT = "replay_step"
_OF_KEYS = f"""
UPDATE q2c_apikey SET scopes = scopes - 'q2c.{RIGHT}' WHERE scopes @> '["q2c.{RIGHT}"]'::jsonb
"""


def _forget(apps: Any, _: Any) -> None:
    """Also as groups and people hold it; where the model still says so, migrate makes it anew."""
    apps.get_model("auth", "Permission").objects.filter(content_type__app_label="q2c", codename=RIGHT).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("q2c", "0062_what_billing_cancelled_by_number"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(name="step", options={}),
        migrations.RunPython(_forget, migrations.RunPython.noop),
        migrations.RunSQL(_OF_KEYS, migrations.RunSQL.noop),
    ]
