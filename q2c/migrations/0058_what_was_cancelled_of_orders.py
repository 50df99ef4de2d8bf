"""Which orders were cancelled in part is asked with each list of them."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0057_journals_that_may_have_left")]

    operations = [
        migrations.AddIndex(
            "subscription",
            models.Index(fields=["order"], condition=models.Q(state="cancelled"), name="subscription_cancelled"),
        ),
    ]
