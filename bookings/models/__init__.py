"""Time: when mentors work, what was agreed, and what else takes their time.

hours        weekly hours and the dates that differ
appointment  a session from the request to its end, its history, and series of them
moving       another time that one side proposes
waiting      the line for a full day
busy         what takes a mentor's time besides appointments
disputes     what a student says was not as promised, and the decision
calendars    reminders, feeds and imported calendars
"""

from bookings.models.appointment import (
    CHAT_MINUTES,
    Appointment,
    AppointmentEvent,
    AppointmentQuerySet,
    AppointmentSeries,
)
from bookings.models.busy import BusyTime
from bookings.models.calendars import CalendarImport, CalendarSettings
from bookings.models.disputes import Dispute
from bookings.models.hours import DAY_MINUTES, MOST_WINDOWS_A_DAY, DateOverride, Weekday, WeeklyHours
from bookings.models.moving import MoveProposal
from bookings.models.waiting import WaitingListEntry

__all__ = [
    "CHAT_MINUTES",
    "DAY_MINUTES",
    "MOST_WINDOWS_A_DAY",
    "Appointment",
    "AppointmentEvent",
    "AppointmentQuerySet",
    "AppointmentSeries",
    "BusyTime",
    "CalendarImport",
    "CalendarSettings",
    "DateOverride",
    "Dispute",
    "MoveProposal",
    "WaitingListEntry",
    "Weekday",
    "WeeklyHours",
]
