from django.apps import AppConfig


class TicketsConfig(AppConfig):
    name = "tickets"

    def ready(self):
        from mentorbook.triggers import register
        from tickets import triggers

        register(self, triggers.TRIGGERS)
