"""API keys: made once, shown once, stored hashed; and what is kept for a while is forgotten."""

from __future__ import annotations

import datetime as dt
from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command

from q2c import clock, keys, tasks
from q2c.models import ApiKey, Callout, Connection, IdempotencyRecord
from tests.api.conftest import Caller
from tests.intake.documents import event

pytestmark = pytest.mark.django_db


def made(*arguments: str) -> str:
    out = StringIO()
    call_command("make_api_key", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue().strip()


def test_the_command_shows_a_key_that_works() -> None:
    secret = made("webshop", "--days", "30")
    key = ApiKey.objects.get()
    assert secret.startswith(key.prefix)
    assert secret not in str(ApiKey.objects.values())
    assert (key.hash, key.system) == (keys.secret_hash(secret), "webshop")
    assert Caller(secret).post("/api/v1/events", event()).status_code == 202
    with clock.at(clock.now() + clock.days(31)):
        answer = Caller(secret).post("/api/v1/events", event())
        assert (answer.status_code, answer.json()["detail"]) == (401, "This API key has expired")


def test_no_connection_is_called_what_a_system_with_a_key_is_called() -> None:
    """The reverse of what a key is refused for: their events would be taken for one another's."""
    made("webshop")
    rest = {"title": "Shop", "vendor": "zuora", "service": "billing", "base_url": "https://rest.zuora.com"}
    for name in ("webshop", "q2c"):
        with pytest.raises(ValidationError) as refused:
            Connection(name=name, **rest).full_clean()
        assert set(refused.value.message_dict) == {"name"} and "choose another" in str(refused.value)
    kept = Connection.objects.create(name="billing", **rest)
    kept.full_clean()
    # One that is called so already can still be changed otherwise.
    Connection.objects.filter(pk=kept.pk).update(name="webshop")
    Connection.objects.get(pk=kept.pk).full_clean()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("q2c",), "a name of our own"),
        (("crm",), "a name of our own"),
        (("web shop",), "no name for a system"),
        (("webshop", "--scope", "q2c.fly"), "No such right: q2c.fly"),
        (("webshop", "--for", "nobody"), "Nobody who works here is called nobody"),
        (("webshop", "--scope", "ledger.reverse_journalentry"), "is for two people: say whose key it is"),
    ],
)
def test_what_makes_no_key(arguments: tuple[str, ...], says: str) -> None:
    Connection.objects.create(name="crm", vendor="salesforce", service="crm", base_url="sandbox://salesforce")
    with pytest.raises(CommandError, match=says):
        made(*arguments)
    assert not ApiKey.objects.exists()


def test_what_was_kept_for_a_while_is_forgotten() -> None:
    now = clock.now()
    for days in (1, 40):
        at = now - dt.timedelta(days=days)
        IdempotencyRecord.objects.create(api_key="1", key=str(days), request_hash=b"x", at=at)
        Callout.objects.create(
            connection="crm", reference=str(days), correlation_id=keys.new_id(), called_at=at, next_at=at, done_at=at
        )
    waiting = Callout.objects.create(
        connection="crm", reference="w", correlation_id=keys.new_id(), called_at=now, next_at=now
    )
    assert tasks.forget() == 2
    assert IdempotencyRecord.objects.get().key == "1"
    assert set(Callout.objects.values_list("reference", flat=True)) == {"1", waiting.reference}
