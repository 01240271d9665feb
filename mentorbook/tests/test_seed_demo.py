import datetime as dt

import pytest
from django.core.management import CommandError, call_command

from accounts.models import User
from bookings.models import Appointment
from feedback.models import Review
from mentorbook.demo.build import SCALES, DemoBuilder, Scale
from mentorbook.management.commands.seed_demo import PASSWORD
from mentors.models import MentorProfile
from wallets.models import Transaction, Wallet

NOW = dt.datetime(2026, 11, 21, 15, 30, tzinfo=dt.UTC)
TINY = Scale(mentors=11, students=12, appointments=120, days_back=40, days_ahead=10)
Status = Appointment.Status


def build(seed=1, scale=TINY):
    DemoBuilder(scale, seed=seed, now=NOW, password=PASSWORD).build()


@pytest.fixture
def small(db):
    call_command("seed_demo", verbosity=0)


def test_small_has_a_classroom_with_sessions_in_every_state(small):
    assert MentorProfile.objects.count() == SCALES["small"].mentors
    assert set(Appointment.objects.values_list("status", flat=True)) >= {
        Status.REQUESTED,
        Status.CONFIRMED,
        Status.COMPLETED,
        Status.CANCELLED,
        Status.DECLINED,
        Status.EXPIRED,
        Status.NO_SHOW,
    }
    assert Review.objects.count() > 50


def test_the_ledger_of_the_demo_is_right(small, capsys):
    call_command("check_ledger")
    assert "right" in capsys.readouterr().out


def test_nothing_of_the_demo_happened_in_the_future(db):
    build()
    assert Appointment.objects.filter(created_at__gt=NOW).count() == 0
    assert Transaction.objects.filter(created_at__gt=NOW).count() == 0
    assert Review.objects.filter(created_at__gt=NOW).count() == 0
    assert Appointment.objects.filter(status=Status.REQUESTED, answer_by__lte=NOW).count() == 0
    assert Appointment.objects.filter(status=Status.REQUESTED, starts_at__lte=NOW).count() == 0


def test_the_cast_can_sign_in(small, client):
    for email in ("ann@example.org", "max@example.org", "ada@example.org"):
        assert client.login(email=email, password=PASSWORD)


def test_the_same_seed_gives_the_same_data(db):
    def picture():
        people = list(User.objects.order_by("email").values_list("email", "name", "timezone"))
        sessions = list(
            Appointment.objects.values_list("starts_at", "title", "status", "student__email").order_by("pk")
        )
        return people, sessions, list(Wallet.objects.order_by("pk").values_list("balance_points", flat=True))

    pictures = []
    for seed in (7, 7, 8):
        with pytest.raises(RollBack):
            _build_and_roll_back(seed, picture, pictures)
    assert pictures[0] == pictures[1]
    assert pictures[0] != pictures[2]


class RollBack(Exception):
    pass


def _build_and_roll_back(seed, picture, pictures):
    from django.db import transaction

    with transaction.atomic():
        build(seed)
        pictures.append(picture())
        raise RollBack


def test_a_second_time_changes_nothing(small, capsys):
    before = Transaction.objects.count(), User.objects.count()
    call_command("seed_demo")
    assert (Transaction.objects.count(), User.objects.count()) == before
    assert "here already" in capsys.readouterr().out


def test_a_database_with_people_is_left_alone(ann):
    User.objects.filter(pk=ann.pk).update(email="somebody@example.org")
    with pytest.raises(CommandError, match="empty"):
        call_command("seed_demo", verbosity=0)
    assert User.objects.count() == 1


def test_production_needs_a_password_of_its_own(db, settings):
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="--password"):
        call_command("seed_demo", verbosity=0)
    assert not User.objects.exists()
