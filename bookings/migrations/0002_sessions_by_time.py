from django.db import migrations, models


class Migration(migrations.Migration):
    """For questions about everybody's sessions of a day, which would otherwise read those of all times."""

    dependencies = [("bookings", "0001_initial")]

    operations = [
        migrations.AddIndex(
            model_name="appointment",
            index=models.Index(fields=["blocked_until", "blocked_from"], name="bookings_by_time"),
        ),
    ]
