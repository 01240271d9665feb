"""Pieces of the admin for rows that only actions write."""

from django.contrib import admin
from django.urls import NoReverseMatch, reverse
from django.utils.html import format_html


class ReadOnly:
    """Staff look at these rows and change nothing by hand: there are buttons that call the actions."""

    def has_add_permission(self, request, obj=None):
        return False

    def has_change_permission(self, request, obj=None):
        return False

    def has_delete_permission(self, request, obj=None):
        return False


class ReadOnlyAdmin(ReadOnly, admin.ModelAdmin):
    # These tables grow for ever. The newest first needs no sorting; a drill-down by date would read every row.
    ordering = ["-id"]
    list_per_page = 50


class ReadOnlyInline(ReadOnly, admin.TabularInline):
    extra = 0
    can_delete = False


def admin_link(row):
    """A link to a row's page in the admin; only its name where it has none, a dash where there is no row."""
    if row is None:
        return "–"
    try:
        address = reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])
    except NoReverseMatch:
        return str(row)
    return format_html('<a href="{}">{}</a>', address, row)
