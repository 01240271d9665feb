"""Everything that changes appointments and mentors' hours. Nothing else writes them.

booking     from a free time to an appointment
answers     what the mentor answers
endings     cancelled, completed, without the student
overdue     what time does by itself
hours       when a mentor works
states      the refusals that they share; `history` and `locks` are for the modules here
"""

from bookings.actions.answers import RequestExpired, confirm_appointment, decline_appointment
from bookings.actions.booking import (
    LengthNotOffered,
    MentorNotBookable,
    OwnMentor,
    SlotNotOffered,
    SlotTaken,
    StudentBusy,
    TitleMissing,
    book_slot,
)
from bookings.actions.endings import (
    TooLateToCancel,
    cancel_appointment,
    complete_appointment,
    completes_at,
    report_no_show,
)
from bookings.actions.hours import (
    DaysOffOutOfRange,
    HoursOutOfRange,
    HoursOverlap,
    remove_overrides,
    replace_availability,
    set_day_hours,
    set_days_off,
)
from bookings.actions.overdue import (
    complete_past_appointments,
    expire_request,
    expire_requests,
    refresh_next_free_times,
)
from bookings.actions.states import AlreadyDecided, NotConfirmedYet, TooEarly

__all__ = [
    "AlreadyDecided",
    "DaysOffOutOfRange",
    "HoursOutOfRange",
    "HoursOverlap",
    "LengthNotOffered",
    "MentorNotBookable",
    "NotConfirmedYet",
    "OwnMentor",
    "RequestExpired",
    "SlotNotOffered",
    "SlotTaken",
    "StudentBusy",
    "TitleMissing",
    "TooEarly",
    "TooLateToCancel",
    "book_slot",
    "cancel_appointment",
    "complete_appointment",
    "complete_past_appointments",
    "completes_at",
    "confirm_appointment",
    "decline_appointment",
    "expire_request",
    "expire_requests",
    "refresh_next_free_times",
    "remove_overrides",
    "replace_availability",
    "report_no_show",
    "set_day_hours",
    "set_days_off",
]
