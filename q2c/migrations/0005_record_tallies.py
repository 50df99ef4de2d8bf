"""Counts of orders, subscriptions, invoices and journals, kept by the database, and the indexes of their lists."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).with_suffix(".sql")
REVERSE = SQL.with_suffix(".reverse.sql")


class Migration(migrations.Migration):
    dependencies = [("q2c", "0004_trace_look_ups"), ("ledger", "0002_guards")]

    operations = [
        migrations.CreateModel(
            name="Tally",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("noun", models.CharField(max_length=16)),
                ("state", models.CharField(max_length=24)),
                ("entity", models.CharField(blank=True, max_length=20)),
                ("currency", models.CharField(blank=True, max_length=3)),
                ("made_on", models.DateField()),
                ("records", models.BigIntegerField()),
                ("amount_minor", models.BigIntegerField()),
            ],
        ),
        migrations.RunSQL(SQL.read_text(), REVERSE.read_text()),
        migrations.AddIndex(
            model_name="order",
            index=models.Index(
                condition=models.Q(("state__in", ["active", "completed"]), _negated=True),
                fields=["state", "-received_at", "-id"],
                name="order_on_its_way",
            ),
        ),
        migrations.AddIndex(
            model_name="invoice",
            index=models.Index(
                condition=models.Q(("state__in", ["posted", "paid"]), _negated=True),
                fields=["state", "-issued_on", "-id"],
                name="invoice_on_its_way",
            ),
        ),
        migrations.AddIndex(
            model_name="attempt",
            index=models.Index(fields=["connection", "-id"], name="attempt_newest"),
        ),
    ]
