"""A push from Salesforce: a Flow or middleware posts {"opportunityId": "006…"}, signed as Standard Webhooks.

The push only wakes: the deal itself is then read by its id, so a forged or old body can put no fact into the books.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from standardwebhooks import Webhook
from standardwebhooks.webhooks import EmptyWebhookSecretError, WebhookVerificationError

from q2c.connectors.pushes import PushRefused

_ID = re.compile(r"006[A-Za-z0-9]{12}(?:[A-Z0-5]{3})?")
IDS_MAX = 200
_SIGN = "Sign it as Standard Webhooks, with our secret"
_NAME = 'Send {"opportunityId": "006…"} or {"opportunityIds": […]}'


def references(headers: Mapping[str, str], body: bytes, credentials: Mapping[str, str]) -> list[str]:
    """Ids of opportunities, for `Salesforce.deal`. Raises PushRefused unless `webhook_secret` has signed."""
    secret = credentials.get("webhook_secret", "")
    if not secret:
        raise PushRefused("This connection has no webhook_secret", status=403, remedy="Store one with it")
    return verify(headers, body, secret)


def verify(headers: Mapping[str, str], body: bytes, secret: str) -> list[str]:
    """The opportunity ids of a push, each once, as 18 characters. Raises PushRefused.

    `secret` is `whsec_…`; several, separated by a blank, let it be changed without a gap. The body carries
    `opportunityId` or `opportunityIds`, bare or inside `data`.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    if not any(_holds(one, body, lower) for one in secret.split()):
        raise PushRefused("the signature does not hold, or the push is too old", remedy=_SIGN)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise PushRefused("the body is not JSON", status=400, remedy=_NAME) from None
    found = _ids(content)
    if not found or len(found) > IDS_MAX or not all(_ID.fullmatch(each) for each in found):
        raise PushRefused(f"the body names no opportunity, or more than {IDS_MAX}", status=400, remedy=_NAME)
    return list(dict.fromkeys(long_id(each) for each in found))


def _holds(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    try:
        Webhook(secret).verify(body.decode(), headers, json_parse=False)
    except (WebhookVerificationError, EmptyWebhookSecretError, ValueError, TypeError):
        return False
    return True


def _ids(content: object) -> list[str]:
    if not isinstance(content, dict):
        return []
    data = content.get("data")
    inner = data if isinstance(data, dict) else content
    many = inner.get("opportunityIds") or [inner.get("opportunityId")]
    return [each if isinstance(each, str) else "" for each in many if each] if isinstance(many, list) else []


def long_id(value: str) -> str:
    """The 18-character form: three letters more say which of the 15 are capitals."""
    if len(value) != 15:
        return value
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
    groups = (value[0:5], value[5:10], value[10:15])
    return value + "".join(
        letters[sum(1 << i for i, char in enumerate(group) if "A" <= char <= "Z")] for group in groups
    )
