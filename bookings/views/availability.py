"""The editor of a mentor's hours: one page, small forms, each of which is saved at once."""

from django.contrib import messages
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from bookings.editor import CHANGES, Editor
from mentorbook.refusals import refusals_on, render_form


@require_http_methods(["GET", "HEAD", "POST"])
def availability(request):
    mentor = getattr(request.user, "mentor_profile", None)
    if mentor is None:
        return render(request, "account/mentors_only.html", status=403)
    now = timezone.now()
    editor = Editor(mentor, now)
    name = request.POST.get("change", "")
    form = editor.form(name, request.POST) if name in CHANGES else None
    if form is not None and form.is_valid():
        with refusals_on(form):
            messages.success(request, CHANGES[name].apply(editor, form.cleaned_data))
            return redirect(reverse("bookings:availability") + f"#{CHANGES[name].section}")
    if request.method == "POST" and form is None:
        return redirect("bookings:availability")
    context = {"editor": editor, **editor.forms(), **({name: form} if form else {}), "failed": name}
    if form is None:
        return render(request, "bookings/availability.html", context)
    return render_form(request, "bookings/availability.html", form, context)
