from django import template

from notifications.models import Notification

register = template.Library()

COUNTED_TO = 100


@register.simple_tag(takes_context=True)
def unread_count(context):
    """How many notifications the person who looks has not read, counted up to 100."""
    user = context.get("user")
    if user is None or not user.is_authenticated:
        return 0
    return Notification.objects.visible_to(user).unread().order_by()[:COUNTED_TO].count()
