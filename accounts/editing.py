"""What people say about themselves."""

from collections.abc import Iterable

from accounts.models import User

EDITABLE = frozenset({"name", "bio", "timezone", "language", "skills"})


def tidy_skills(words: Iterable[str]) -> list[str]:
    """The skills as they are kept: each once, however it is written; a comma parts two of them everywhere."""
    skills = {}
    for word in ",".join(words).split(","):
        skill = " ".join(word.split())
        if skill:
            skills.setdefault(skill.casefold(), skill)
    return list(skills.values())


def edit_profile(user: User, **fields) -> User:
    """Change these fields of EDITABLE. Malformed values raise ValidationError, and then nothing has changed."""
    if unknown := set(fields) - EDITABLE:
        raise TypeError(f"Not for editing: {', '.join(sorted(unknown))}")
    if "skills" in fields:
        fields["skills"] = tidy_skills(fields["skills"])
    for name, value in fields.items():
        setattr(user, name, value.strip() if isinstance(value, str) else value)
    user.clean_fields(exclude={field.name for field in user._meta.fields} - set(fields))
    if fields:
        user.save(update_fields=list(fields))
    return user
