from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from bookings.recheck import parted_times


class Command(BaseCommand):
    help = (
        "List future sessions whose agreed local time is no longer when they start, because a time zone's rules have"
        " changed. Changes nothing. Exit code 1 when there are any."
    )

    def handle(self, **options):
        count = 0
        for parted in parted_times(timezone.now()):
            count += 1
            appointment = parted.appointment
            self.stdout.write(
                f"{appointment.pk}: agreed {parted.agreed} {appointment.agreed_timezone}, now {parted.now_shown}"
                f" ({appointment.starts_at:%Y-%m-%d %H:%M} UTC), {_people(appointment)}: {appointment.title}"
            )
        if count:
            raise CommandError(f"{count} to look at: tell these people, and let them move or cancel")
        self.stdout.write("all agreed times still hold")


def _people(appointment):
    mentor, student = appointment.mentor.user, appointment.student
    group = f" (group {appointment.group})" if appointment.group_id else ""
    return f"{mentor} <{mentor.email}> with {student} <{student.email}>{group}"
