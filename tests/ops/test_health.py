"""Whether it answers, and whether it is ready: each part says why not."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection

from q2c import clock
from q2c.celery import QUEUES
from q2c.engine.sweep import SIGN_OF_LIFE, sweep
from q2c.models import WorkerSeen

EVERYBODY = [*QUEUES, SIGN_OF_LIFE]
NAMES = ["database", "tables", "redis", *(f"worker {queue}" for queue in QUEUES), "sweeper"]


def seen(*who: str, ago_s: float = 0) -> None:
    for name in who:
        at = clock.now() - dt.timedelta(seconds=ago_s)
        WorkerSeen.objects.update_or_create(queue=name, defaults={"seen_at": at})


@pytest.mark.django_db
def test_healthz_answers_without_asking_anybody(client, django_assert_num_queries):
    with django_assert_num_queries(0):
        answer = client.get("/healthz")
    assert (answer.status_code, answer.content, answer["Cache-Control"]) == (200, b"ok\n", "no-store")
    assert "Set-Cookie" not in answer


def test_healthz_says_which_instance_it_is(client, settings):
    settings.INSTANCE = "one"
    assert client.get("/healthz")["X-Q2C-Instance"] == "one"


@pytest.mark.django_db(transaction=True)
def test_ready_when_everybody_has_been_seen(client):
    seen(*EVERYBODY)
    answer = client.get("/readyz")
    assert answer.status_code == 200, answer.content
    found = answer.json()
    assert found["ready"] is True
    assert list(found["checks"]) == NAMES
    assert all(check == {"ready": True} for check in found["checks"].values())


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("who", "ago_s", "why"),
    [
        ("worker posting", None, "never seen: is it started?"),
        ("worker posting", 46, "last seen 46 s ago; 45 s is the limit"),
        ("worker posting", -3600, "last seen -3600 s ago; 45 s is the limit"),
        ("sweeper", None, "never seen: is it started?"),
        ("sweeper", 31, "last seen 31 s ago; 30 s is the limit"),
    ],
)
def test_who_was_not_seen_is_named(client, who, ago_s, why):
    name = who.removeprefix("worker ")
    with clock.at(dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)):
        seen(*(other for other in EVERYBODY if other != name))
        if ago_s is not None:
            seen(name, ago_s=ago_s)
        answer = client.get("/readyz")
    assert answer.status_code == 503
    found = answer.json()["checks"]
    assert {key for key, check in found.items() if not check["ready"]} == {who}
    assert found[who]["why"] == why


@pytest.mark.django_db(transaction=True)
def test_who_has_just_started_it_asks_for_signs_of_this_start(client):
    with clock.at(dt.datetime(2026, 3, 2, 9, tzinfo=dt.UTC)):
        seen(*EVERYBODY, ago_s=13)
        assert client.get("/readyz?within=14").status_code == 200
        answer = client.get("/readyz?within=12")
        assert answer.status_code == 503
        assert answer.json()["checks"]["sweeper"]["why"] == "last seen 13 s ago; 12 s is the limit"


@pytest.mark.parametrize("given", ["-1", "1.5", "soon", "1e9"])
def test_what_is_no_span_is_refused_by_name(client, given):
    answer = client.get(f"/readyz?within={given}")
    assert (answer.status_code, answer.json()["field"]) == (400, "within")


@pytest.mark.django_db(transaction=True)
def test_a_sweep_is_a_sign_of_life(client):
    seen(*QUEUES)
    assert client.get("/readyz").status_code == 503
    sweep()
    assert client.get("/readyz").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_redis_that_is_away_is_named_and_its_address_is_not(client, settings):
    seen(*EVERYBODY)
    settings.REDIS_URL = "redis://:hidden@127.0.0.1:1/0"
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json()["checks"]["redis"] == {"ready": False, "why": "does not answer (ConnectionError)"}
    assert b"hidden" not in answer.content and b"127.0.0.1" not in answer.content


@pytest.mark.django_db(transaction=True)
def test_without_a_database_nothing_is_known_and_it_still_answers(client, monkeypatch):
    real = connection.get_connection_params

    def elsewhere():
        return {**real(), "host": "127.0.0.1", "port": "1"}

    monkeypatch.setattr(connection, "get_connection_params", elsewhere)
    answer = client.get("/readyz")
    found = answer.json()["checks"]
    assert answer.status_code == 503
    assert found["database"]["why"] == "does not answer (OperationalError)"
    assert found["redis"] == {"ready": True}
    assert found["sweeper"]["why"] == found["worker intake"]["why"] == "not known without the database"


@pytest.mark.django_db
@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/metrics"])
def test_nothing_is_changed_by_asking(client, address):
    assert client.post(address).status_code == 405
