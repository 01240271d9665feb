from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WalletsConfig(AppConfig):
    name = "wallets"
    verbose_name = _("Wallets")

    def ready(self):
        from mentorbook import triggers
        from wallets import immutability, receivers

        triggers.register(self, immutability.TRIGGERS)
        receivers.connect()
