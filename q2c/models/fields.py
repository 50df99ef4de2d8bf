"""Columns with a purpose: raw JSON kept byte for byte, secrets encrypted at rest."""

from __future__ import annotations

import base64
import json
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import models


class RawJSONField(models.TextField):
    """A `json` column holding the document exactly as it came; str in Python, never re-serialised."""

    def db_type(self, connection: Any) -> str:
        return "json"

    def select_format(self, compiler: Any, sql: str, params: Any) -> tuple[str, Any]:
        # psycopg would parse json by itself, and lose how it was written.
        return f"{sql}::text", params


def _cipher() -> MultiFernet:
    def fernet(secret: str) -> Fernet:
        derived = HKDF(hashes.SHA256(), 32, b"q2c credentials", b"v1").derive(secret.encode())
        return Fernet(base64.urlsafe_b64encode(derived))

    return MultiFernet([fernet(secret) for secret in [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]])


class SecretJSONField(models.BinaryField):
    """A mapping of credentials, encrypted with a key derived from SECRET_KEY; never shown, never logged."""

    def get_prep_value(self, value: Any) -> bytes | None:
        if value is None or isinstance(value, bytes):
            return value
        return _cipher().encrypt(json.dumps(value).encode())

    def from_db_value(self, value: Any, *_: Any) -> dict[str, str]:
        if not value:
            return {}
        try:
            return json.loads(_cipher().decrypt(bytes(value)))
        except InvalidToken:
            raise ImproperlyConfigured(
                "Stored credentials cannot be decrypted: put the key they were stored under into Q2C_OLD_SECRET_KEYS"
            ) from None
