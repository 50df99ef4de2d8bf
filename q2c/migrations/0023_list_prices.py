"""What the price list asks is master data: discounts are measured by it, not by what a deal's sender calls its list price."""

from __future__ import annotations

import django.contrib.postgres.constraints
import django.db.models.deletion
import simple_history.models
from django.conf import settings
from django.db import migrations, models

PERIODS = [("once", "Once"), ("month", "Per month"), ("year", "Per year")]


def columns() -> list[tuple[str, models.Field]]:
    return [
        ("currency", models.CharField(max_length=3)),
        (
            "price_period",
            models.CharField(
                choices=PERIODS,
                help_text="What is not recurring is priced once; of usage, each unit used is",
                max_length=5,
            ),
        ),
        ("unit_price", models.DecimalField(decimal_places=8, max_digits=20)),
        ("effective_from", models.DateField()),
        ("effective_to", models.DateField(blank=True, null=True)),
    ]


class Migration(migrations.Migration):
    # The ledger's first migrations make the extension that keeps days apart.
    dependencies = [
        ("q2c", "0022_a_journeys_first_event"),
        ("ledger", "0005_moves_that_fit"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="ListPrice",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "product",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.PROTECT, related_name="list_prices", to="q2c.product"
                    ),
                ),
                *columns(),
            ],
            options={
                "constraints": [
                    django.contrib.postgres.constraints.ExclusionConstraint(
                        name="one_list_price_at_a_time",
                        expressions=[
                            ("product", "="),
                            ("currency", "="),
                            ("price_period", "="),
                            (models.Func("effective_from", "effective_to", function="daterange"), "&&"),
                        ],
                    ),
                    models.CheckConstraint(condition=models.Q(unit_price__gte=0), name="list_price_not_negative"),
                    models.CheckConstraint(
                        condition=models.Q(price_period__in=("once", "month", "year")), name="list_price_period"
                    ),
                ]
            },
        ),
        migrations.CreateModel(
            name="HistoricalListPrice",
            fields=[
                ("id", models.BigIntegerField(auto_created=True, blank=True, db_index=True, verbose_name="ID")),
                *columns(),
                ("history_id", models.AutoField(primary_key=True, serialize=False)),
                ("history_date", models.DateTimeField(db_index=True)),
                ("history_change_reason", models.CharField(max_length=100, null=True)),
                (
                    "history_type",
                    models.CharField(choices=[("+", "Created"), ("~", "Changed"), ("-", "Deleted")], max_length=1),
                ),
                (
                    "history_user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "product",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="q2c.product",
                    ),
                ),
            ],
            options={
                "verbose_name": "historical list price",
                "verbose_name_plural": "historical list prices",
                "ordering": ("-history_date", "-history_id"),
                "get_latest_by": ("history_date", "history_id"),
            },
            bases=(simple_history.models.HistoricalChanges, models.Model),
        ),
    ]
