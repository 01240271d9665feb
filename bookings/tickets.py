"""Tickets, which lie below, as sessions see them."""

from bookings.models import Appointment


def of_sessions_mentored_by(user):
    """The ids of the tickets that `user` talks about as a mentor, or is asked to: they are read before and afterwards,
    whoever has them. What came to nothing opens nothing any more. None for whoever is no mentor."""
    profile = getattr(user, "mentor_profile", None)
    if profile is None:
        return None
    sessions = Appointment.objects.blocking().for_mentor(profile).exclude(ticket=None)
    return sessions.order_by().values("ticket")
