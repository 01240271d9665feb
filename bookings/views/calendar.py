"""One's own sessions in a month or a week."""

from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from bookings.diary import Diary, Wish


@require_safe
def calendar(request):
    now = timezone.now()
    wish = Wish(request.GET, today=timezone.localtime(now).date())
    return render(request, "bookings/calendar.html", {"wish": wish, "diary": Diary(request.user, wish, now=now)})
