from django.apps import AppConfig


class BookingsConfig(AppConfig):
    name = "bookings"

    def ready(self):
        from accounts.dissolving import hinder_dissolving
        from bookings import actions, availability, ledger, tickets, triggers
        from bookings.grouping import sessions_left
        from mentorbook import jobs
        from mentorbook.triggers import register
        from mentors.directory import register_free_times
        from tickets.readers import open_tickets_for
        from wallets.ledger import register_check

        register(self, triggers.TRIGGERS)
        register_free_times(availability.FreeTimes())
        open_tickets_for(tickets.of_sessions_mentored_by)
        hinder_dissolving(sessions_left)
        register_check("escrow against states", ledger.check_escrow)
        register_check("disputes", ledger.check_disputes)
        jobs.register("expire_requests", actions.expire_requests)
        jobs.register("expire_proposals", actions.expire_proposals)
        jobs.register("pass_on_lapsed_holds", actions.pass_on_lapsed_holds)
        jobs.register("complete_past_appointments", actions.complete_past_appointments)
        jobs.register("refresh_next_free_times", actions.refresh_next_free_times)
        jobs.register("send_reminders", actions.send_reminders)
        jobs.register("refresh_calendars", actions.refresh_calendars)
