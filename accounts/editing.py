"""What people say about themselves."""

from accounts.models import User

EDITABLE = frozenset({"name", "bio", "timezone", "language", "skills"})


def edit_profile(user: User, **fields) -> User:
    """Change these fields of EDITABLE. Malformed values raise ValidationError, and then nothing has changed."""
    if unknown := set(fields) - EDITABLE:
        raise TypeError(f"Not for editing: {', '.join(sorted(unknown))}")
    for name, value in fields.items():
        setattr(user, name, value)
    user.clean_fields(exclude={field.name for field in user._meta.fields} - set(fields))
    if fields:
        user.save(update_fields=list(fields))
    return user
