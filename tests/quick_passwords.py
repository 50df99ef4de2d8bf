"""Passwords of people that tests make: hashed as in production, but in a thousandth of the time.

What is stored is read by the web processes that tests start, too: it names its iterations.
"""

from __future__ import annotations

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class Quick(PBKDF2PasswordHasher):
    iterations = 1_000
