import pytest
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError

from accounts.models import User
from accounts.passwords import MAX_LENGTH, is_common
from accounts.tests.factories import PASSWORD


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "Correct-Horse-Battery-Staple",
        "correcthorsebatterystaple1",
        "passwordpassword",
        "PasswordPassword",
        "P@ssw0rdP@ssw0rd",
        "password2024!",
        "2024password2024",
        "Liverpool2019!",
        "!!!sunshine!!!",
        "qwertyuiop12",
        "qwertyuiopasdf",
        "1q2w3e4r5t6y",
        "123456789012",
        "111111111111",
        "abcabcabcabc",
        "abcdefghijkl",
        "zyxwvutsrqpo",
        "iloveyousomuch",
        "I love you so much!",
        "ichliebedich",
        "maytheforcebewithyou",
        "1qaz2wsx3edc",
        "asdfghjkl;'asdf",
        "monkeymonkey",
        "dragon-dragon-dragon",
        "            ",
        "............",
        "20242024202420",
        "01/02/1999 01/02/1999",
    ],
)
def test_password_is_refused_when_many_people_use_it_or_one_like_it(password):
    assert is_common(password)


@pytest.mark.parametrize(
    "password",
    [
        PASSWORD,
        "dreizehn Möwen im Regen",
        "tortoise ladder 7 plum",
        "k7#vQz!m2Lp0",
        "кошка сидит на облаке",
        "紫の海に浮かぶ小さな船と月",
        "password for the blue boat shed",
        "winter bicycles hum softly",
        "🐢🌙 slow turtles at night",
        "mxnehwqtvrpa",
    ],
)
def test_password_is_accepted_when_it_is_the_persons_own(password):
    assert not is_common(password)
    validate_password(password, User(email="ann@example.org", name="Ann Archer"))


def test_password_is_refused_when_shorter_than_twelve():
    with pytest.raises(ValidationError, match="12"):
        validate_password("k7#vQz!m2Lp")


def test_password_is_refused_when_longer_than_the_most():
    validate_password("k7#vQz!m2Lp0" * 341)
    with pytest.raises(ValidationError, match=str(MAX_LENGTH)):
        validate_password("k7#vQz!m2Lp0" * 342)


def test_password_is_refused_when_it_is_the_persons_address():
    with pytest.raises(ValidationError):
        validate_password("ann.archer@example.org", User(email="ann.archer@example.org", name="Ann Archer"))
