"""Database triggers: a ticket's history only grows."""

from mentorbook.triggers import append_only

TRIGGERS = append_only("tickets_ticketevent", "A line of a ticket''s history is never changed or deleted.")
