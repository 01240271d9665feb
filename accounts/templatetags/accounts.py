import re

from django import template
from django.utils.translation import gettext as _

register = template.Library()

# In this order: what calls itself by several names is known by the first that fits.
BROWSERS = (
    ("Edg", "Edge"),
    ("OPR|Opera", "Opera"),
    ("SamsungBrowser", "Samsung Internet"),
    ("Firefox|FxiOS", "Firefox"),
    ("Chrom|CriOS", "Chrome"),
    ("Safari", "Safari"),
)
SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("Mac OS", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
)


def _first(names, user_agent):
    return next((name for pattern, name in names if re.search(pattern, user_agent)), None)


@register.filter
def browser_name(user_agent):
    """What a person would call the browser: "Firefox on Linux"."""
    browser, system = _first(BROWSERS, user_agent), _first(SYSTEMS, user_agent)
    if browser and system:
        return _("%(browser)s on %(system)s") % {"browser": browser, "system": system}
    return browser or system or _("An unknown browser")


@register.filter
def is_phone(user_agent):
    return "Mobile" in user_agent or "iPhone" in user_agent
