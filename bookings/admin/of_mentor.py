"""What the rows of a mentor have in common in the admin."""

from django.contrib import admin
from django.utils.translation import gettext_lazy

from mentorbook.readonly import ReadOnlyAdmin, admin_link


class OfMentorAdmin(ReadOnlyAdmin):
    """Rows with a `mentor`, found by that mentor's name and address."""

    list_select_related = ["mentor__user"]
    search_fields = ["mentor__user__name", "mentor__user__email"]

    def get_queryset(self, request):
        return super().get_queryset(request).select_related("mentor__user")

    @admin.display(description=gettext_lazy("mentor"), ordering="mentor__user__name")
    def mentor_link(self, row):
        return admin_link(row.mentor)
