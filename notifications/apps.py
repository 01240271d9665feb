from django.apps import AppConfig

from mentorbook import jobs


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self):
        from notifications import outbox

        jobs.register("send_mail", outbox.sweep)
