"""A series as one person sees it at one moment."""

from functools import cached_property

from bookings.actions.series import left_of
from bookings.models import Appointment


class SeriesStandpoint:
    """What a page about one session may show `viewer` of the whole series. One query."""

    def __init__(self, appointment, viewer, now):
        self.appointment = appointment
        self.viewer = viewer
        self.now = now

    @cached_property
    def rows(self):
        """The sessions in the order of time."""
        rows = Appointment.objects.filter(series=self.appointment.series_id).with_people().select_related("payer")
        return list(rows.order_by("starts_at", "id"))

    @property
    def position(self):
        return next(count for count, row in enumerate(self.rows, start=1) if row.pk == self.appointment.pk)

    @cached_property
    def left(self):
        """Those that the viewer can cancel together: of one alone there is nothing to cancel together."""
        left = left_of(self.rows, self.viewer, self.now)
        return [(row, row.refund_if_cancelled(self.viewer, self.now)) for row in left]

    @property
    def can_cancel_left(self):
        return len(self.left) > 1

    @property
    def is_only_asked(self):
        """Whether all that is left still waits for the mentor's answer: that is withdrawn or declined."""
        return all(row.status == Appointment.Status.REQUESTED for row, _points in self.left)

    @property
    def refund_points(self):
        return sum(points for _row, points in self.left)

    @property
    def kept_points(self):
        """What goes to the mentor of those that are left."""
        return sum(row.price_points for row, _points in self.left) - self.refund_points

    @cached_property
    def waiting(self):
        """Those that wait for the viewer's answer."""
        return [row for row in self.rows if row.can_be_confirmed_by(self.viewer, self.now)]

    @property
    def can_confirm_all(self):
        return len(self.waiting) > 1
