"""The console of those who run the place: Django's admin, which first shows what needs someone."""

from django.conf import settings
from django.contrib import admin
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from bookings.models import Dispute
from mentorbook.models import JobRun
from mentorbook.readonly import ReadOnlyAdmin
from mentors.models import MentorProfile
from notifications.models import OutgoingEmail


class AdminSite(admin.AdminSite):
    site_title = settings.SITE_NAME
    site_header = settings.SITE_NAME
    index_title = _("Administration")

    def index(self, request, extra_context=None):
        return super().index(request, {"needs_someone": needs_someone(request.user), **(extra_context or {})})

    def login(self, request, extra_context=None):
        """Lead staff in. Everybody else is sent to the one sign-in page (`accounts.admin`) before this is asked.

        Django's own form would sign in whoever it is given a password for, without the second factor.
        """
        return redirect("admin:index")

    def password_change(self, request, extra_context=None):
        """The one page for it, which counts wrong guesses and tells the person by mail."""
        return redirect("account_change_password")


def needs_someone(user):
    """What waits for staff, as (sentence, address) pairs; only what `user` may look at."""
    things = []
    if user.has_perm("mentors.view_mentorprofile"):
        waiting = MentorProfile.objects.filter(approval=MentorProfile.Approval.WAITING, user__is_active=True).count()
        things.append(
            (
                waiting,
                ngettext("%(count)d mentor waits for approval", "%(count)d mentors wait for approval", waiting),
                reverse("admin:mentors_mentorprofile_changelist", query={"approval__exact": "waiting"}),
            )
        )
    if user.has_perm("bookings.view_dispute"):
        disputes = Dispute.objects.undecided().count()
        things.append(
            (
                disputes,
                ngettext("%(count)d dispute waits for a decision", "%(count)d disputes wait for a decision", disputes),
                reverse("admin:bookings_dispute_changelist", query={"decided": "no"}),
            )
        )
    if user.has_perm("notifications.view_outgoingemail"):
        failed = OutgoingEmail.objects.filter(status=OutgoingEmail.Status.FAILED).count()
        things.append(
            (
                failed,
                ngettext("%(count)d mail could not be delivered", "%(count)d mails could not be delivered", failed),
                reverse("admin:notifications_outgoingemail_changelist", query={"status__exact": "failed"}),
            )
        )
    if user.has_perm("mentorbook.view_jobrun"):
        failing = JobRun.objects.failing().count()
        things.append(
            (
                failing,
                ngettext("%(count)d periodic job fails", "%(count)d periodic jobs fail", failing),
                reverse("admin:mentorbook_jobrun_changelist"),
            )
        )
    return [(sentence % {"count": count}, url) for count, sentence, url in things if count]


class JobRunAdmin(ReadOnlyAdmin):
    """What `run_jobs` did last. Registered by `mentorbook.apps`: the site is being made while this is imported."""

    list_display = ["name", "is_fine", "began_at", "ended_at", "count", "failed_at", "shortened_error"]
    ordering = ["name"]
    search_fields = ["name", "error"]

    @admin.display(description=_("fine"), boolean=True)
    def is_fine(self, job_run):
        return not job_run.is_failing

    @admin.display(description=_("last error"))
    def shortened_error(self, job_run):
        return job_run.error[:120]
