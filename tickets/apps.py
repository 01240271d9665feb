from django.apps import AppConfig


class TicketsConfig(AppConfig):
    name = "tickets"

    def ready(self):
        from mentorbook import jobs
        from mentorbook.triggers import register
        from tickets import actions, triggers

        register(self, triggers.TRIGGERS)
        # Whoever is silent for too long is not reminded as well, and who is warned has a day.
        jobs.register("release_silent_tickets", actions.release_silent_tickets)
        jobs.register("nudge_silent_mentors", actions.nudge_silent_mentors)
        jobs.register("close_solved_tickets", actions.close_solved_tickets)
        jobs.register("warn_before_closing", actions.warn_before_closing)
