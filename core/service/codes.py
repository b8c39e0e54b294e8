"""Codes that a person carries from one face to another: `K7QM-3XTP`."""

import secrets

_LETTERS = "23456789ABCDEFGHJKMNPQRSTVWXYZ"
"""None that looks like another."""
_HALF = 4


def new_code() -> str:
    """One of 656 thousand million."""
    first, second = ("".join(secrets.choice(_LETTERS) for _ in range(_HALF)) for _ in range(2))
    return f"{first}-{second}"


def clean_code(text: str) -> str | None:
    """The code that somebody typed, in small letters or without its hyphen; None when it cannot be one."""
    letters = "".join(text.split()).replace("-", "").upper() if len(text) <= 8 * _HALF else ""
    if len(letters) != 2 * _HALF or not set(letters) <= set(_LETTERS):
        return None
    return f"{letters[:_HALF]}-{letters[_HALF:]}"
