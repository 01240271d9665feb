from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class AccountsConfig(AppConfig):
    name = "accounts"
    verbose_name = _("People")

    def ready(self):
        from accounts.actions import forget_old_tokens
        from accounts.idempotency import forget_old_answers
        from mentorbook import jobs

        jobs.register("forget old tokens", forget_old_tokens)
        jobs.register("forget idempotency keys", forget_old_answers)
