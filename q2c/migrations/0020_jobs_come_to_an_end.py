"""A platform may work on what it accepted for so long; then a person is asked."""

from django.core.validators import MinValueValidator
from django.db import migrations, models


def job_limit_s() -> models.FloatField:
    return models.FloatField(
        default=86_400.0,
        db_default=86_400.0,
        validators=[MinValueValidator(1.0)],
        help_text="How long the platform may work on a job that it accepted before a person is asked",
    )


class Migration(migrations.Migration):
    dependencies = [("q2c", "0019_failures_in_a_row")]

    operations = [
        migrations.AddField("connection", "job_limit_s", job_limit_s()),
        migrations.AddField("historicalconnection", "job_limit_s", job_limit_s()),
        migrations.AddField("step", "accepted_at", models.DateTimeField(null=True)),
    ]
