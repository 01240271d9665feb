from django.apps import AppConfig
from django.conf import settings
from django.db.models.signals import post_save


class MentorsConfig(AppConfig):
    name = "mentors"

    def ready(self):
        from accounts.joining import on_begin_to_mentor
        from mentors.actions import create_profile

        on_begin_to_mentor(create_profile)
        post_save.connect(_follow_name, sender=settings.AUTH_USER_MODEL, dispatch_uid="mentors-follow-name")


def _follow_name(instance, created, raw, update_fields=None, **kwargs):
    """Keep mentors findable by their name. A signal, because people live in an app below that knows no mentors."""
    if created or raw or (update_fields is not None and "name" not in update_fields):
        return
    from mentors.actions import refresh_search_text
    from mentors.models import MentorProfile

    refresh_search_text(MentorProfile.objects.filter(user=instance))
