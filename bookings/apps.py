from django.apps import AppConfig


class BookingsConfig(AppConfig):
    name = "bookings"

    def ready(self):
        from bookings import actions, availability, ledger, triggers
        from mentorbook import jobs
        from mentorbook.triggers import register
        from mentors.directory import register_free_times
        from wallets.ledger import register_check

        register(self, triggers.TRIGGERS)
        register_free_times(availability.FreeTimes())
        register_check("escrow against states", ledger.check_escrow)
        jobs.register("expire_requests", actions.expire_requests)
        jobs.register("complete_past_appointments", actions.complete_past_appointments)
        jobs.register("refresh_next_free_times", actions.refresh_next_free_times)
