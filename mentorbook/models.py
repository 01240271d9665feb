"""What the running of the place itself leaves behind."""

from django.db import models
from django.db.models import F
from django.utils.translation import gettext_lazy as _


class JobRunQuerySet(models.QuerySet):
    def failing(self):
        """Jobs whose newest run failed."""
        return self.filter(failed_at__gte=F("began_at"))

    def newest_end(self):
        """When any job ended last: the heartbeat of whoever runs them. None where none ever did."""
        return self.aggregate(newest=models.Max("ended_at"))["newest"]


class JobRun(models.Model):
    """How the newest run of a periodic job went: one row a job, for every process and for staff to see."""

    name = models.CharField(_("job"), max_length=100, primary_key=True)
    began_at = models.DateTimeField(_("last began"))
    ended_at = models.DateTimeField(_("last ended"))
    failed_at = models.DateTimeField(_("last failed"), null=True, blank=True)
    count = models.PositiveIntegerField(_("things done"))
    error = models.TextField(_("last error"), blank=True)

    objects = JobRunQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        verbose_name = _("job")
        verbose_name_plural = _("jobs")

    def __str__(self):
        return self.name

    @property
    def is_failing(self):
        return self.failed_at is not None and self.failed_at >= self.began_at
