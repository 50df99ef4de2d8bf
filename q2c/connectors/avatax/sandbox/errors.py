"""AvaTax's two error bodies: the service's, with numbers, and the gateway's, without."""

from __future__ import annotations

from q2c.connectors.sandbox_kit import Answer, Refused

_HELP = "http://developer.avalara.com/avatax/errors"


def failure(
    status: int,
    code: str,
    number: int,
    message: str,
    *,
    target: str = "Unknown",
    description: str = "",
    refers_to: str = "",
    outer: str = "",
    headers: dict[str, str] | None = None,
) -> Answer:
    """An error of the service; `outer` is the code of the whole where it differs from the detail's."""
    detail = {
        "code": code, "number": number, "message": message, "description": description, "faultCode": code,
        "helpLink": f"{_HELP}/{code}", "refersTo": refers_to, "severity": "Error",
    }  # fmt: skip
    body = {"error": {"code": outer or code, "message": message, "target": target, "details": [detail]}}
    return Answer(status, body, headers or {})


def refusal(status: int, code: str, number: int, message: str, **more: str) -> Refused:
    return Refused(failure(status, code, number, message, **more))  # type: ignore[arg-type]


def gateway_refusal() -> Answer:
    """401 comes from the gateway before the service: no target, no number, no severity."""
    detail = {
        "code": "AuthenticationException",
        "description": "The user or account could not be authenticated.",
        "faultCode": "Client",
        "helpLink": f"{_HELP}/AuthenticationException",
        "message": "The user or account could not be authenticated.",
    }
    return Answer(
        401,
        {
            "error": {
                "code": "AuthenticationException",
                "message": "The user or account could not be authenticated.",
                "details": [detail],
            }
        },
    )
