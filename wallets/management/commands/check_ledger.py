from django.core.management.base import BaseCommand, CommandError

from wallets import ledger
from wallets.models import Transaction, Wallet


class Command(BaseCommand):
    help = "Check the books: sums, balances, reversals, escrows. Lists what is wrong and then exits with 1."

    def handle(self, **options):
        count = 0
        for name, problem in ledger.problems():
            count += 1
            self.stdout.write(f"{name}: {problem}")
        if count:
            raise CommandError(f"The ledger is not right: {count} problem{'' if count == 1 else 's'}.")
        wallets, transactions = Wallet.objects.count(), Transaction.objects.count()
        self.stdout.write(f"The ledger is right: {wallets} wallets, {transactions} transactions.")
