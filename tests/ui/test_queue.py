"""The queue page: tabs, filters, empty states, the selection, offers, the file; and how many statements it costs."""

from __future__ import annotations

import csv
import datetime as dt
import io
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from exceptions import casework, unblock
from exceptions.cases import open_for
from exceptions.models import Case, Offer, ReplayBatch
from q2c import clock, keys
from tests.exceptions.conftest import NOW, failure, fresh, opened
from tests.ui.people import boss, of_role, signed_in, with_rights

pytestmark = pytest.mark.django_db
BLOCKER = ("erp-de", "period", "2026-10", "closed")


@pytest.fixture(autouse=True)
def _ten_o_clock() -> Iterator[None]:
    with clock.at(NOW):
        yield


@pytest.fixture
def mia() -> Any:
    return of_role("mia", "Controller", team="controllers", first_name="Mia", last_name="Ochoa")


def page(user: Any, address: str) -> str:
    answer = signed_in(user).get(address)
    assert answer.status_code == 200, answer.content.decode()[:2000]
    return str(answer.content.decode())


def many(number: int, **given: Any) -> list[Case]:
    found = [failure(step_id=keys.new_id(), business_key=f"INV-{n:04}", **given) for n in range(number)]
    return list(Case.objects.filter(id__in=open_for(found, "engine").values()).order_by("number"))


def test_the_row_tells_what_failed_for_whom_and_how_much(mia: Any) -> None:
    case = opened(customer="Hafen & Söhne AG")
    text = page(mia, "/queue")
    for said in ("Period closed", case.shown, "INV-1", "Hafen &amp; Söhne AG", "4,821", "Oct\u00a02026", "Controllers"):
        assert said in text, said
    assert f'href="/cases/{case.id}"' in text


def test_the_card_of_the_cause_stands_above(mia: Any) -> None:
    many(3)
    text = page(mia, "/queue")
    problem = Case.objects.all()[0].problem
    card = text.split('class="card problem-card')[1].split("</article>")[0]
    assert f'href="/problems/{problem.id}"' in card
    for said in ("Period closed: 2026-10 in erp-de", "14,463", "DE Oct 2026", "4 h left", "Controllers", "Replay 3"):
        assert said in card, said


@pytest.mark.parametrize(
    ("tab", "keys_shown"),
    [
        ("open", {"INV-A", "INV-B", "INV-C"}),
        ("team", {"INV-A", "INV-C"}),
        ("mine", {"INV-C"}),
        ("snoozed", {"INV-D"}),
        ("replaying", set()),
        ("resolved", set()),
        ("no such tab", {"INV-A", "INV-B", "INV-C"}),
    ],
)
def test_each_tab_has_its_cases(mia: Any, tab: str, keys_shown: set[str]) -> None:
    opened(business_key="INV-A")
    opened(business_key="INV-B", reason="customer_refused", blocker=None)
    claimed = opened(business_key="INV-C")
    asleep = opened(business_key="INV-D")
    casework.claim(mia, [claimed.id])
    casework.snooze(mia, [asleep.id], until_blocker=True)
    text = page(mia, f"/queue?tab={tab}")
    assert {key for key in ("INV-A", "INV-B", "INV-C", "INV-D") if key in text.partition("data-rows")[2]} == keys_shown


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("/queue", "Nothing has failed"),
        ("/queue?q=customer:Nobody", "Nothing matches this filter"),
        ("/queue?tab=team", "Nothing waits for your team"),
        ("/queue?tab=mine", "You have no cases"),
        ("/queue?tab=snoozed", "Nothing sleeps"),
        ("/queue?tab=replaying", "Nothing is on its way"),
        ("/queue?tab=resolved", "Nothing was resolved yet"),
        ("/problems", "No open problem"),
        ("/problems?view=ended", "No problem has ended yet"),
        ("/replays", "Nothing was replayed yet"),
        ("/offers", "Nothing is ready to replay"),
        ("/approvals", "Nothing waits for a decision"),
        ("/approvals?view=decided", "Nothing was decided yet"),
    ],
)
def test_empty_states_tell_apart(mia: Any, address: str, said: str) -> None:
    assert said in page(mia, address)


def test_somebody_without_a_team_is_told_so() -> None:
    assert "You are in no team" in page(with_rights("eve", "view_case"), "/queue?tab=team")


@pytest.mark.parametrize("address", ["/queue", "/problems", "/replays", "/approvals"])
def test_without_the_right_the_page_says_which(address: str) -> None:
    answer = signed_in(with_rights("nobody")).get(address)
    assert answer.status_code == 403
    assert "exceptions.view_" in answer.content.decode()


def test_filters_are_chips_that_can_be_taken_away(mia: Any) -> None:
    opened()
    opened(business_key="INV-US", entity="US", currency="USD")
    text = page(mia, "/queue?q=reason:period_closed+entity:DE")
    assert "INV-US" not in text and "INV-1" in text
    assert 'href="?tab=open&amp;q=entity%3ADE"' in text and 'href="?tab=open&amp;q=reason%3Aperiod_closed"' in text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("reson:period_closed", "did you mean reason:?"),
        ('customer:"acme', "A quote is not closed"),
        ("amount:>lots", "amount:&gt;lots is no amount"),
        ("reason:", "reason: needs a value"),
    ],
)
def test_a_filter_that_is_not_understood_says_what_would_be(mia: Any, query: str, said: str) -> None:
    opened()
    text = page(mia, f"/queue?q={query}")
    assert "This filter is not understood" in text and said in text
    assert "data-rows" not in text, "a broken filter shows no rows, rather than all"


def test_a_broken_cursor_says_so(mia: Any) -> None:
    opened()
    assert "This page address is broken" in page(mia, "/queue?after=xyz")


def test_the_query_bar_completes_keys_and_values(mia: Any) -> None:
    opened()
    client = signed_in(mia)
    assert {"value": "reason:", "label": "why it failed"} in client.get("/queue/complete?token=rea").json()["choices"]
    found = client.get("/queue/complete?token=entity:D").json()["choices"]
    assert found == [{"value": "entity:DE", "label": "1 cases"}]
    assert client.get("/queue/complete?token=-reason:period_c").json()["choices"][0]["value"] == "-reason:period_closed"


def test_paging_by_key_loses_no_filter(mia: Any) -> None:
    many(60)
    client = signed_in(mia)
    first = client.get("/queue?q=entity:DE").content.decode()
    following = first.split('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    assert "q=entity%3ADE" in following
    second = client.get("/queue" + following).content.decode()
    assert first.count("data-row>") == 50 and second.count("data-row>") == 10
    assert 'rel="prev"' in second


@pytest.mark.parametrize("number", [3, 40])
def test_statements_do_not_grow_with_the_rows(mia: Any, number: int) -> None:
    many(number)
    opened(blocker=("erp-us", "cost_center", "CC-1", "inactive"), reason="dimension_inactive")
    unblock.blocker_gone(*BLOCKER)
    client = signed_in(mia)
    client.get("/queue")
    with CaptureQueriesContext(
        connection,
    ) as seen:
        assert client.get("/queue").status_code == 200
    assert len(seen) <= 25, [query["sql"][:90] for query in seen]


def act(user: Any, **fields: Any) -> Any:
    return signed_in(user).post("/queue/act", fields, follow=True)


def test_bulk_verbs_say_what_was_done_and_what_was_left(mia: Any) -> None:
    one, two = many(2)
    casework.claim(of_role("jo", "Billing ops"), [two.id])
    answer = act(mia, verb="claim", id=[one.id, two.id], back="/queue?q=entity:DE")
    text = answer.content.decode()
    assert answer.redirect_chain == [("/queue?q=entity:DE", 302)]
    assert "1 case claimed." in text and "1 case left as it was" in text
    assert (fresh(one).assignee_id, fresh(one).state) == (mia.pk, "in_progress")
    act(mia, verb="assign", id=[one.id, two.id], team="billing-ops", person="jo")
    assert {fresh(case).owner_team_id for case in (one, two)} == {"billing-ops"}
    act(mia, verb="snooze", id=[one.id], hours="24", until_blocker="1", reason="Friday")
    assert fresh(one).snoozed_until == NOW + dt.timedelta(hours=24)
    act(mia, verb="wake", id=[one.id])
    assert fresh(one).state == "in_progress", "it was begun before"
    act(mia, verb="close", id=[one.id], closing="Twice by hand", root_cause="duplicate", reason="")
    assert fresh(one).state == "awaiting_approval"


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"verb": "claim"}, "Choose at least one case"),
        ({"verb": "fly", "id": [str(keys.new_id())]}, "Nothing can be done that is called"),
        ({"verb": "claim", "id": ["42"]}, "A case was named that cannot exist"),
        ({"verb": "claim", "scope": "filter", "query": "entity:DE"}, "The list has no time"),
        ({"verb": "snooze", "id": [str(keys.new_id())], "hours": "x"}, "Snooze for at least an hour"),
        ({"verb": "snooze", "id": [str(keys.new_id())], "until": "soon"}, "Write the time like"),
        ({"verb": "snooze", "id": [str(keys.new_id())], "until": "9999-12-31T23:59:59-23:59"}, "Write the time like"),
        ({"verb": "snooze", "id": [str(keys.new_id())], "until": "0001-01-01T00:00"}, "Write the time like"),
        ({"verb": "claim", "scope": "filter", "as_of": "9999-12-31T23:59:59-23:59"}, "The list has no time"),
        ({"verb": "claim", "scope": "filter", "as_of": "2026-02-31T00:00:00Z"}, "The list has no time"),
        ({"verb": "assign", "id": [str(keys.new_id())], "person": "ghost"}, "ghost is nobody here"),
        ({"verb": "close", "id": [str(keys.new_id())], "root_cause": "none"}, "Choose what the root cause was"),
        ({"verb": "replay"}, "Choose at least one case"),
    ],
)
def test_bad_requests_say_what_is_wrong(mia: Any, fields: dict[str, Any], said: str) -> None:
    answer = act(mia, **fields)
    assert answer.status_code == 200 and said in answer.content.decode()


def test_all_that_match_are_those_that_were_shown(mia: Any) -> None:
    many(60)
    as_of = NOW.isoformat()
    with clock.at(NOW + dt.timedelta(minutes=1)):
        opened(business_key="LATE")
        fields = {"scope": "filter", "query": "entity:DE", "tab": "open", "as_of": as_of, "expected": "62"}
        answer = act(mia, verb="replay", **fields)
    text = answer.content.decode()
    batch = ReplayBatch.objects.get()
    assert batch.size == 60 and answer.redirect_chain[0][0] == f"/replays/{batch.id}"
    assert "2 of the 62 have moved on since." in text and "Nothing is sent yet." in text


def test_another_host_is_no_way_back(mia: Any) -> None:
    case = opened()
    for back in ("https://evil.example/", "//evil.example", "javascript:alert(1)"):
        answer = signed_in(mia).post("/queue/act", {"verb": "claim", "id": [case.id], "back": back})
        assert answer["Location"] == "/queue"


def test_each_disabled_button_names_the_right(mia: Any) -> None:
    opened()
    text = page(with_rights("eve", "view_case", "view_problem"), "/queue")
    for right in ("exceptions.work_case", "exceptions.replay_case", "exceptions.close_case"):
        assert right in text, right
    assert "aria-disabled" not in page(mia, "/queue").split("bulk-buttons")[1].split("</form>")[0].split("</div>")[0]


def test_who_may_replay_one_case_but_not_many_sees_it_before_asking(mia: Any) -> None:
    """Sales ops: with two rows chosen the locked button stands there (select.js), which names the right."""
    many(2)
    text = page(of_role("sofia", "Sales ops", team="sales-ops"), "/queue")
    one = text.split("<span data-select-one>")[1].split("</span><span data-select-several hidden>")
    several = one[1].split("Claim")[0]
    assert 'value="replay"' in one[0] and "aria-disabled" not in one[0]
    assert "aria-disabled" in several and "exceptions.bulk_replay" in several and 'value="replay"' not in several
    assert "data-select-several" not in page(mia, "/queue")
    eve = with_rights("eve", "view_case", "view_problem")
    assert "data-select-several" not in page(eve, "/queue") and "exceptions.replay_case" in page(eve, "/queue")


def test_a_verb_without_its_right_is_refused_and_on_record() -> None:
    case = opened()
    answer = signed_in(with_rights("eve", "view_case")).post("/queue/act", {"verb": "claim", "id": [case.id]})
    assert answer.status_code == 403 and "exceptions.work_case" in answer.content.decode()
    assert case.events.filter(kind="refused", actor="eve").count() == 1


def test_an_offer_is_taken_from_the_queue_as_a_dry_run_or_left(mia: Any) -> None:
    many(2)
    offer = unblock.blocker_gone(*BLOCKER)
    assert offer is not None
    for address in ("/queue", "/offers"):
        assert (
            "2 cases, EUR 9,642.00, may be replayed, which is looked at now: period 2026-10 in erp-de is open again"
            in page(mia, address)
        )
    answer = signed_in(mia).post(f"/offers/{offer.id}/take", follow=True)
    batch = ReplayBatch.objects.get()
    assert answer.redirect_chain[0][0] == f"/replays/{batch.id}"
    assert "Nothing is sent yet." in answer.content.decode()
    rosa, name = boss(), mia.get_full_name() or mia.username
    # To look is not to send: it stays for everybody, and says who looks.
    assert Offer.objects.get().state == "open"
    for address in ("/queue", "/offers", "/offers/ready", f"/offers/{offer.id}", f"/cases/{Case.objects.first().id}"):
        text = page(mia, address)
        assert f'You look at it in <a href="/replays/{batch.id}">R-{batch.number}</a>' in text, address
        assert f"{name} looks at it in <a" in page(rosa, address), address
    assert "Cause is gone" in page(mia, "/queue")
    signed_in(mia).post(f"/replays/{batch.id}/cancel")
    assert "look at it in" not in page(mia, "/queue") and "may be replayed" in page(mia, "/queue")
    again = unblock.blocker_gone(*BLOCKER)
    assert again is not None and again.id == offer.id
    signed_in(mia).post(f"/offers/{again.id}/dismiss")
    assert "may be replayed" not in page(mia, "/queue")
    text = signed_in(mia).post(f"/offers/{again.id}/take", follow=True).content.decode()
    assert "This offer is dismissed already" in text


def test_the_file_has_every_row_and_no_formula(mia: Any) -> None:
    many(60)
    opened(customer='=HYPERLINK("http://evil")', amount_minor=-1250, business_key="+49")
    answer = signed_in(mia).get("/queue?tab=open&q=entity:DE&format=csv")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer["Content-Disposition"] == 'attachment; filename="cases-open-2026-11-03.csv"'
    text = b"".join(answer.streaming_content).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == 61
    [odd] = [row for row in rows if row["amount"] == "-12.50"]
    assert odd["customer"] == '\'=HYPERLINK("http://evil")' and odd["business key"] == "'+49"
    assert odd["amounts"] == "EUR -12.50"
    assert rows[0]["currency"] == "EUR" and rows[0]["blocker"] == "erp-de period 2026-10 closed"


def test_where_a_filter_finds_nothing_the_other_tabs_say_what_it_finds_there(mia: Any) -> None:
    case, _ = opened(business_key="INV-SLEEPS"), many(2)
    casework.snooze(mia, [case.id], until=NOW + dt.timedelta(days=1))
    assert counts(mia, "/queue?tab=open&q=INV-SLEEPS") == {
        "open": 0, "team": 0, "mine": 0, "snoozed": 1, "awaiting_approval": 0, "replaying": 0, "resolved": 0, "all": 1,
    }  # fmt: skip
    # What is not understood filters nothing.
    assert counts(mia, "/queue?tab=open&q=reason:nonsense") == counts(mia, "/queue")
    assert counts(mia, "/queue")["open"] == 2


def counts(user: Any, address: str) -> dict[str, Any]:
    shown = signed_in(user).get(address).context["tabs"]
    return {parse_qs(tab.href[1:])["tab"][0]: tab.count for tab in shown}
