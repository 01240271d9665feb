"""Gates by role. Who is let in at all is LoginRequiredMiddleware's, which rows one sees is `visible_to`'s."""

from functools import wraps

from django.contrib.auth.decorators import login_required
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from mentorbook.errors import NotAllowed


def mentor_required(view):
    """Let approved mentors in; tell everybody else, with status 403, how one becomes a mentor."""

    @login_required
    @wraps(view)
    def for_mentors(request, *args, **kwargs):
        if not request.user.is_mentor:
            return render(request, "account/mentors_only.html", status=403)
        return view(request, *args, **kwargs)

    return for_mentors


def staff_required(view):
    """Let staff in; refuse everybody else with status 403."""

    @login_required
    @wraps(view)
    def for_staff(request, *args, **kwargs):
        if not request.user.is_staff:
            raise NotAllowed(_("This page is for staff."))
        return view(request, *args, **kwargs)

    return for_staff
