"""Locks in one order, so that nobody waits in a circle: mentor profiles by id → student → appointment → wallets by id.

A person is in one place at a time, on whichever side. Whoever changes somebody's sessions therefore locks the mentor
profiles of both people (a student may be a mentor too); two students' bookings meet at the student's row.
"""

from typing import NamedTuple

from django.contrib.auth import get_user_model
from django.db.models import Q

from bookings.models import Appointment
from mentorbook.locks import limit_waiting
from mentors.models import MentorProfile


class People(NamedTuple):
    mentor: MentorProfile
    student: object
    profiles: list[MentorProfile]  # the mentor's, and the student's where there is one


def lock_people(mentor_id, student_id):
    """The mentor and the student (with wallet and profile) as they are now, locked until the transaction ends."""
    profiles = _lock_profiles(mentor_id, student_id)
    users = get_user_model().objects.select_related("wallet").select_for_update(no_key=True, of=("self",))
    student = users.get(pk=student_id)
    own_profile = next((profile for profile in profiles if profile.user_id == student_id), None)
    MentorProfile.user.field.remote_field.set_cached_value(student, own_profile)  # None too, so that nobody asks again
    return People(next(profile for profile in profiles if profile.pk == mentor_id), student, profiles)


def lock_mentor(mentor_id):
    """The mentor's profile as it is now, locked until the transaction ends."""
    return MentorProfile.objects.select_for_update(no_key=True).get(pk=mentor_id)


def lock_appointment(appointment):
    """`appointment` as it is now, with its people, locked until the transaction ends."""
    limit_waiting()
    mentor_id, student_id = appointment.mentor_id, appointment.student_id
    profiles = _lock_profiles(mentor_id, student_id)
    locked = (
        Appointment.objects.select_related("student", "group", "payer", "escrow")
        .select_for_update(no_key=True, of=("self",))
        .get(pk=appointment.pk)
    )
    locked.mentor = next(profile for profile in profiles if profile.pk == mentor_id)
    return locked, profiles


def _lock_profiles(mentor_id, student_id):
    return list(
        MentorProfile.objects.select_related("user")
        .select_for_update(no_key=True, of=("self",))
        .filter(Q(pk=mentor_id) | Q(user_id=student_id))
        .order_by("pk")
    )
