from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from mentorbook.pages import paginate
from notifications.actions import is_local_path, mark_all_read, mark_read
from notifications.models import Notification


@require_GET
def notification_list(request):
    notifications = Notification.objects.visible_to(request.user)
    return render(
        request,
        "notifications/notification_list.html",
        {
            "page": paginate(request, notifications),
            "unread": notifications.unread().count(),
            "newest": notifications.values_list("pk", flat=True).first(),
        },
    )


@never_cache
@require_GET
def open_notification(request, pk):
    notification = get_object_or_404(Notification.objects.visible_to(request.user), pk=pk)
    mark_read(notification, now=timezone.now())
    return redirect(notification.url if is_local_path(notification.url) else "notifications:list")


@require_POST
def read(request, pk):
    mark_read(get_object_or_404(Notification.objects.visible_to(request.user), pk=pk), now=timezone.now())
    return _back_to_list(request)


@require_POST
def read_all(request):
    up_to = request.POST.get("up_to", "")
    # What is told after the page was shown stays unread, but for what was on its way then (see `mark_all_read`).
    # 18 digits are below the largest id there can be.
    mark_all_read(
        request.user,
        now=timezone.now(),
        up_to=int(up_to) if up_to.isascii() and up_to.isdigit() and len(up_to) <= 18 else None,
    )
    return _back_to_list(request)


def _back_to_list(request):
    page = request.POST.get("page", "")
    response = redirect("notifications:list")
    if page.isascii() and page.isdigit():
        response["Location"] += f"?page={page[:9]}"
    return response
