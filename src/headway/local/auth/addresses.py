"""Which e-mail addresses and phone numbers are accepted, and in which form they are kept.

Source: supabase/auth ``internal/api/mail.go`` (validateEmail) and ``phone.go``. Whether a domain exists is
not asked, so that ``someone@example.test`` and ``someone@app.local`` work in development.
"""

from __future__ import annotations

import re

from headway.local.auth.errors import bad_request

__all__ = ["checked_email", "checked_phone"]

_MAX_EMAIL = 255
_E164 = re.compile(r"[1-9][0-9]{1,14}")


def checked_email(email: str) -> str:
    """The address in lower case.

    Args:
        email: As the caller typed it.

    Raises:
        AuthError: 400 ``validation_failed``: missing, longer than 255 characters, or not an address.
    """
    if not email:
        raise bad_request("validation_failed", "An email address is required")
    if len(email) > _MAX_EMAIL:
        raise bad_request("validation_failed", "An email address is too long")
    # Imported at the first sign-up: its tables take longer to build than the rest of Auth to start.
    from email_validator import EmailNotValidError, validate_email

    try:
        if not email.isascii():
            raise EmailNotValidError("not ASCII")
        # The library refuses special-use domains such as .local; below .test they are names like any other.
        validate_email(
            f"{email}.test", allow_smtputf8=False, check_deliverability=False, test_environment=True
        )
    except EmailNotValidError as error:
        raise bad_request("validation_failed", "Unable to validate email address: invalid format") from error
    return email.lower()


def checked_phone(phone: str) -> str:
    """The number's digits, without the plus sign and spaces.

    Args:
        phone: As the caller typed it.

    Raises:
        AuthError: 400 ``validation_failed``: not in E.164 form.
    """
    digits = phone.removeprefix("+").replace(" ", "")
    if _E164.fullmatch(digits) is None:
        raise bad_request("validation_failed", "Invalid phone number format (E.164 required)")
    return digits
