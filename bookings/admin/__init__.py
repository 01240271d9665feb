"""Time for staff: everything to look at, nothing to change by hand. The buttons call the actions.

appointments  sessions with their history
series        sessions that were booked together
moving        other times that one side proposed
disputes      what was not as promised, and the decision
hours         when mentors work
calendars     what people chose about calendars, and those that mentors imported
waiting       who waits for a full day, and what else takes mentors' time
of_mentor     what the rows of a mentor have in common
"""

from bookings.admin import appointments, calendars, disputes, hours, moving, series, waiting

__all__ = ["appointments", "calendars", "disputes", "hours", "moving", "series", "waiting"]
