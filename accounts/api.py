"""Signing up, in and out for programs, and the person behind a token."""

from typing import Literal

from django.utils import timezone
from ninja import Router, Status
from pydantic import Field

from accounts.actions import BadToken, end_session, refresh_session, start_session
from accounts.editing import edit_profile
from accounts.models import MAX_SKILL_LENGTH, MAX_SKILLS, User
from accounts.signing_in import (
    BadCode,
    BadCredentials,
    CodeNeeded,
    EmailNotConfirmed,
    EmailTaken,
    NotAccepted,
    may_sign_in,
    sign_in,
    sign_up,
)
from mentorbook.rest.documented import refuses
from mentorbook.rest.schemas import Id, Input, Output, example, line, words

auth = Router(tags=["sign-in"])

EMAIL, PASSWORD = line(254), words(4096)
PERSON = {
    "id": 17,
    "email": "ann@example.org",
    "name": "Ann Archer",
    "bio": "I study statistics.",
    "timezone": "Europe/Madrid",
    "skills": ["python", "statistics"],
    "roles": ["student"],
    "mentor_id": None,
}
TOKENS = {
    "user": PERSON,
    "access_token": "eyJhbGciOiJIUzI1NiIs…",
    "refresh_token": "mbr_Zk3…",
    "token_type": "bearer",
}


class SignUp(Input):
    model_config = example(
        email="ann@example.org",
        password="a lantern over the harbour",
        name="Ann Archer",
        timezone="Europe/Madrid",
        role="student",
    )

    email: EMAIL
    password: PASSWORD
    name: line(100)
    timezone: line(64) = Field("", description="An IANA name; left out, that of the installation.")
    role: Literal["student", "mentor"] = Field("student", description="A mentor's profile may have to be approved.")


class SignIn(Input):
    model_config = example(email="ann@example.org", password="a lantern over the harbour")

    email: EMAIL
    password: PASSWORD
    code: line(20) | None = Field(None, description="Of the second factor, where the account has one.")


class Refresh(Input):
    model_config = example(refresh_token="mbr_Zk3…")

    refresh_token: line(200)


class Person(Output):
    model_config = example(**PERSON)

    id: Id
    email: str
    name: str
    bio: str
    timezone: str
    skills: list[str]
    roles: list[Literal["student", "mentor", "admin"]]
    mentor_id: Id | None = Field(None, description="Of the mentor profile, also while it waits for approval.")

    @staticmethod
    def resolve_roles(user):
        roles = ["student"]
        if user.is_mentor:
            roles.append("mentor")
        if user.is_staff:
            roles.append("admin")
        return roles

    @staticmethod
    def resolve_mentor_id(user):
        profile = getattr(user, "mentor_profile", None)
        return profile.pk if profile else None


class Tokens(Output):
    model_config = example(**TOKENS)

    user: Person
    access_token: str | None = Field(None, description="For some minutes. Null until the address is confirmed.")
    refresh_token: str | None = Field(None, description="Serves once: for the next pair.")
    token_type: Literal["bearer"] = "bearer"


class PersonChanges(Input):
    model_config = example(name="Ann Archer", timezone="Europe/Berlin", skills=["python"])

    name: line(100) = None
    bio: words(2000) = None
    timezone: line(64) = None
    skills: list[line(MAX_SKILL_LENGTH)] = Field(None, max_length=MAX_SKILLS)


@auth.post("/signup", response={201: Tokens}, auth=None, summary="Sign up")
@refuses(EmailTaken, NotAccepted)
def signup(request, wish: SignUp):
    """A new account, with its welcome points. A mail asks to confirm the address; where the installation insists on
    that, the tokens are null and signing in works afterwards."""
    user = sign_up(
        request,
        email=wish.email,
        password=wish.password,
        name=wish.name,
        timezone=wish.timezone,
        wants_to_mentor=wish.role == "mentor",
    )
    tokens = start_session(user, now=timezone.now()) if may_sign_in(user) else None
    return Status(201, tokens._asdict() if tokens else {"user": user})


@auth.post("/signin", response=Tokens, auth=None, summary="Sign in")
@refuses(BadCredentials, CodeNeeded, BadCode, EmailNotConfirmed)
def signin(request, wish: SignIn):
    """A pair of tokens for address and password. Wrong passwords count together with those typed on the pages."""
    tokens = sign_in(request, email=wish.email, password=wish.password, code=wish.code, now=timezone.now())
    return tokens._asdict()


@auth.post("/refresh", response=Tokens, auth=None, summary="Get the next pair of tokens")
@refuses(BadToken)
def refresh(request, wish: Refresh):
    """Each refresh token serves once. One that comes a second time was copied, so it ends the whole session."""
    return refresh_session(wish.refresh_token, now=timezone.now())._asdict()


@auth.post("/signout", response={204: None}, auth=None, summary="Sign out")
@refuses(BadToken)
def signout(request, wish: Refresh):
    """Ends the session that the refresh token belongs to, and its access tokens with it."""
    end_session(wish.refresh_token, now=timezone.now())
    return Status(204, None)


@auth.get("/me", response=Person, summary="Who you are")
@refuses()
def me(request):
    """The person behind the token, with their roles."""
    return request.user


@auth.put("/me", response=Person, summary="Change your profile")
@refuses()
def change_me(request, changes: PersonChanges):
    """Changes the fields that are sent, and no others."""
    return edit_profile(User.objects.get(pk=request.user.pk), **changes.given())
