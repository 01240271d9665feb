from django.db import migrations


class Migration(migrations.Migration):
    """Sessions from before moves existed have had their time since they were booked."""

    dependencies = [("bookings", "0003_booking_in_full")]

    operations = [
        migrations.RunSQL("UPDATE bookings_appointment SET timed_at = created_at", migrations.RunSQL.noop),
    ]
