from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class WalletsConfig(AppConfig):
    name = "wallets"
    verbose_name = _("Wallets")

    def ready(self):
        from accounts.dissolving import hinder_dissolving
        from mentorbook import triggers
        from wallets import grouping, immutability, receivers

        triggers.register(self, immutability.TRIGGERS)
        receivers.connect()
        hinder_dissolving(grouping.points_left)
