"""A nul character in an address, a query or a form: refused in words, nothing is done."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

pytestmark = pytest.mark.django_db
CASE = "/cases/00000000-0000-0000-0000-000000000000/act"


@pytest.fixture
def boss(client):
    boss = User.objects.create_superuser("rosa", password="rosa-rosa-1")
    client.force_login(boss)
    return boss


@pytest.mark.parametrize(
    "address",
    [
        "/queue?q=%00",
        "/orders?state=ready%00",
        "/trace?q=INV%00",
        "/queue?%00=1",
        "/orders/%00",
        "/admin/ledger/fxrate/?q=%00",
    ],
)
def test_an_address_with_one(client, boss, address):
    answer = client.get(address)
    assert answer.status_code == 400
    assert "The request contains a nul character" in answer.content.decode()


@pytest.mark.parametrize(
    ("address", "fields"),
    [
        (CASE, {"verb": "comment", "text": "paid\0"}),
        (CASE, {"verb": "close", "reason": ["fine", "\0"]}),
        ("/queue/act", {"verb\0": "claim"}),
        ("/admin/ledger/account/add/", {"code": "\0"}),
    ],
)
def test_a_form_with_one(client, boss, address, fields):
    answer = client.post(address, fields)
    assert answer.status_code == 400
    assert "The request contains a nul character" in answer.content.decode()


def test_a_part_of_a_page_is_told_in_place(client, boss):
    answer = client.post(CASE, {"text": "\0"}, headers={"HX-Request": "true"})
    assert (answer.status_code, answer["HX-Retarget"]) == (422, "#messages")
    assert "The request contains a nul character" in answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_who_is_not_signed_in_is_told_too(client):
    answer = client.post("/sign-in", {"username": "rosa\0", "password": "x"})
    assert (answer.status_code, User.objects.count()) == (400, 0)


def test_without_one_nothing_is_in_the_way(client, boss):
    assert client.get("/queue?q=%20").status_code == 200
