from django.http import StreamingHttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from mentorbook.pages import paginate
from wallets import statement as statements
from wallets.models import Wallet


@require_safe
def statement(request):
    """A person's own points: what is there, what is held, and how it came to be so."""
    wallet = Wallet.objects.filter(user=request.user).first()
    page = paginate(request, statements.statement_rows(wallet))
    for row in page:
        row.what = statements.what(row)
    context = {
        "balance_points": wallet.balance_points if wallet else 0,
        "held_points": statements.held_points(wallet),
        "page": page,
    }
    return render(request, "wallets/statement.html", context)


@require_safe
def statement_csv(request):
    wallet = Wallet.objects.filter(user=request.user).first()
    lines = statements.statement_csv(wallet, timezone.get_current_timezone())
    name = f"statement-{timezone.localdate():%Y-%m-%d}.csv"
    return StreamingHttpResponse(
        lines,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
