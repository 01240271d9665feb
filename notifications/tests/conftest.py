import pytest


@pytest.fixture(autouse=True)
def _words(settings, tmp_path):
    """Words for one kind that need no app above this one."""
    folder = tmp_path / "notifications"
    folder.mkdir()
    (folder / "appointment_confirmed.txt").write_text(
        "{% load i18n %}{{ mentor }} confirmed “{{ title }}”\n"
        '{% translate "Yes" %}: {{ starts_at|date:"D j M, H:i" }}, {{ zone }}\n'
    )
    (folder / "appointment_expired.txt").write_text("Your request expired\n")
    [engine] = settings.TEMPLATES
    settings.TEMPLATES = [{**engine, "DIRS": [tmp_path, *engine["DIRS"]]}]
