"""Locks in one order, so that nobody waits in a circle: mentor profiles by id → student → project group → ticket
(→ tags → wallets).

Whoever changes a ticket that a mentor has locks that mentor's profile too: its figures and its capacity are counted
under that lock.
"""

from django.contrib.auth import get_user_model
from django.db import transaction

from mentorbook.locks import limit_waiting
from mentors.models import MentorProfile
from tickets.models import Ticket


def lock_ticket(ticket):
    """`ticket` as it is now, with its people, locked until the transaction ends."""
    return lock_ticket_and_profiles(ticket)[0]


def lock_ticket_and_profiles(ticket, *profile_ids):
    """The same, and these profiles by their ids; the ticket's mentor is among them."""
    limit_waiting()
    while True:
        mentor_id = Ticket.objects.values_list("mentor_id", flat=True).get(pk=ticket.pk)
        savepoint = transaction.savepoint()
        profiles = _lock_profiles({mentor_id, *profile_ids} - {None})
        locked = lock_ticket_alone(ticket)
        if locked.mentor_id == mentor_id:
            transaction.savepoint_commit(savepoint)
            locked.mentor = profiles.get(mentor_id)
            return locked, profiles
        # It changed hands between the look and the lock. The locks go with the savepoint; the order stays.
        transaction.savepoint_rollback(savepoint)


def lock_ticket_alone(ticket):
    """Without its mentor's profile: for what touches neither capacity nor figures."""
    rows = Ticket.objects.with_people().select_for_update(no_key=True, of=("self",))
    return rows.get(pk=ticket.pk)


def lock_profile_of(user):
    """The mentor profile of `user` as it is now, locked; None where there is none."""
    limit_waiting()
    rows = MentorProfile.objects.select_related("user").select_for_update(no_key=True, of=("self",))
    return rows.filter(user=user.pk).first()


def lock_student(user):
    limit_waiting()
    return get_user_model().objects.select_for_update(no_key=True).get(pk=user.pk)


def _lock_profiles(ids):
    rows = MentorProfile.objects.select_related("user").select_for_update(no_key=True, of=("self",))
    return {profile.pk: profile for profile in rows.filter(pk__in=ids).order_by("pk")} if ids else {}
