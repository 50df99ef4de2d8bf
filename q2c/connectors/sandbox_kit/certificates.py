"""What a platform is given to verify assertions by."""

from __future__ import annotations

from typing import Any

from cryptography import x509


def public_key(text: str) -> Any:
    """Of a PEM of the key itself, or of its certificate, which real platforms are given."""
    if "BEGIN CERTIFICATE" in text:
        return x509.load_pem_x509_certificate(text.encode()).public_key()
    return text
