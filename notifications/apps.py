from django.apps import AppConfig

from mentorbook import jobs


class NotificationsConfig(AppConfig):
    name = "notifications"

    def ready(self):
        from accounts.telling import tell_by
        from notifications import actions, outbox

        tell_by(notify=actions.notify, mail_stranger=actions.mail_stranger)
        jobs.register("send_mail", outbox.sweep)
