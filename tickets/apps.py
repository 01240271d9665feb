from django.apps import AppConfig
from django.db.models.signals import post_migrate


class TicketsConfig(AppConfig):
    name = "tickets"

    def ready(self):
        from mentorbook import jobs
        from mentorbook.triggers import register
        from mentors.retagging import follow_tags
        from tickets import actions, triggers
        from tickets.actions import attachments
        from tickets.search import dictionary, index

        register(self, triggers.TRIGGERS)
        # Whoever is silent for too long is not reminded as well, and who is warned has a day.
        jobs.register("release_silent_tickets", actions.release_silent_tickets)
        jobs.register("nudge_silent_mentors", actions.nudge_silent_mentors)
        jobs.register("close_solved_tickets", actions.close_solved_tickets)
        jobs.register("warn_before_closing", actions.warn_before_closing)
        post_migrate.connect(index.prepare_after_migrate, sender=self, dispatch_uid="tickets-search")
        follow_tags(index.follow_tags)
        jobs.register("sweep_orphaned_files", attachments.sweep_orphaned_files)
        jobs.register("index_stale_tickets", index.index_stale_tickets)
        jobs.register("refresh_search_words", dictionary.refresh_search_words)
