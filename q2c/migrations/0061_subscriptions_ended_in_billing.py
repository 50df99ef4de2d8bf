"""What billing ends of orders that go on here is kept; its subscriptions are read by a cursor of their own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0060_what_came_unreadable_of_what_is_booked")]

    operations = [
        migrations.AddField("subscription", "ended_there_on", models.DateField(null=True)),
        migrations.AddField("subscription", "ended_there_at", models.DateTimeField(null=True)),
        migrations.AddIndex(
            "subscription",
            models.Index(
                fields=["order"],
                condition=models.Q(ended_there_on__isnull=False),
                name="subscription_ended_there",
            ),
        ),
        migrations.CreateModel(
            "SubscriptionCursor",
            [
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("connection", models.CharField(max_length=60, unique=True)),
                ("reached", models.DateTimeField()),
                ("polled_at", models.DateTimeField(null=True)),
                ("read_at", models.DateTimeField(null=True)),
                ("failing_at", models.DateTimeField(null=True)),
                ("first", models.DateTimeField(null=True)),
                ("seen_at", models.DateTimeField(null=True)),
                ("swept_at", models.DateTimeField(null=True)),
                ("text", models.TextField(blank=True)),
            ],
            options={"abstract": False},
        ),
    ]
