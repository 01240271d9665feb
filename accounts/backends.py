import logging

from allauth.account.auth_backends import AuthenticationBackend

from accounts import guessing
from accounts.models import User
from accounts.passwords import MAX_LENGTH

logger = logging.getLogger(__name__)


class LimitedBackend(AuthenticationBackend):
    """Sign-in by e-mail address and password, the one way through which every door compares passwords.

    Page, admin, confirming one's identity and the API all end here, so the limit of `accounts.guessing` holds for them
    together. During a lock nothing is hashed and the right password is answered like a wrong one. An address without
    account costs as much time and is limited the same way, so neither tells who has an account.
    """

    def authenticate(self, request, **credentials):
        email = User.objects.normalize_email(credentials.get("email") or credentials.get("username"))
        password = credentials.get("password")
        if not email or not password or len(password) > MAX_LENGTH or "\x00" in email:
            return None
        user = User.objects.filter(email=email).first()
        turn = guessing.take_turn(user.pk if user else email)
        if turn is None:
            return None
        if user is None:
            self._mitigate_timing_attack(password)
            return None
        # Compared before asking whether the person is active: allauth then shows its page that says so.
        if not user.check_password(password):
            logger.info("Wrong password for person %s.", user.pk)
            return None
        guessing.give_back(turn)
        if self.user_can_authenticate(user):
            return user
        self._stash_user(user)
        return None
