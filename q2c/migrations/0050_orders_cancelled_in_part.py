from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("q2c", "0049_the_latest_read_of_a_document")]

    operations = [
        migrations.AddIndex(
            model_name="step",
            index=models.Index(
                condition=models.Q(("proof__has_key", "kept"), ("stage", "cancel_order")),
                fields=["business_key"],
                name="step_in_part",
            ),
        ),
    ]
