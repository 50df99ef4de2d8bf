"""reverse_journal, on a paper ledger: a second person signs, a mirror entry is made and posted.

DE01 sold ORD-1 to Acme in October 2026; it is 3 November.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.management import call_command

from exceptions import approvals
from exceptions.errors import Refused
from exceptions.models import Approval, Case
from ledger import periods
from ledger.models import FiscalPeriod, JournalEntry
from q2c.contracts.events import JournalReversalRequested
from q2c.engine import desk, replay, requests, run
from q2c.models import ApiKey, Step
from tests.api.conftest import Caller
from tests.engine.makers import NOW, OCTOBER, issue, order, person, run_all, step
from tests.intake.documents import event
from tests.stages.conftest import emitted
from tests.stages.test_invoices_and_journals import arrives

pytestmark = pytest.mark.django_db

TODAY = NOW.date()


def _reverse(entry: JournalEntry, on: dt.date = TODAY, name: str = "r-1") -> None:
    asked = JournalReversalRequested(journal_id=str(entry.id), effective_on=on, reason="billed in error")
    arrives("JournalReversalRequested", asked, name, "back-office")
    _work()


def _work() -> None:
    """Whatever is due, and each reversal that is asked for is signed by the controller."""
    while run.drain("reverse_journal") + run.drain("post_journal") + _signed():
        pass


def _signed() -> int:
    asked = list(Approval.objects.filter(state="requested").values_list("id", flat=True))
    if not asked:
        return 0
    return len(desk.approve(controller("cleo"), asked, "seen").done)


def controller(name: str) -> Any:
    """Somebody who may ask for reversals, and decide on those of others."""
    user = get_user_model().objects.filter(username=name).first() or person(name)
    user.user_permissions.add(Permission.objects.get(codename="reverse_journalentry"))
    return get_user_model().objects.get(pk=user.pk)


def posted(company: Any) -> JournalEntry:
    issue("INV-1", order())
    run_all()
    return JournalEntry.objects.get()


def test_a_posted_journal_is_mirrored_posted_and_reversed(company: Any) -> None:
    original = posted(company)
    _reverse(original)
    mirror = JournalEntry.objects.get(reverses=original)
    original = JournalEntry.objects.get(id=original.id)
    assert (original.state, mirror.state, mirror.document_number) == ("reversed", "posted", "JE-2")
    assert emitted("reverse_journal") == ["JournalReady"]
    assert emitted("post_journal") == ["JournalPosted", "JournalReversed"]


def test_a_second_request_is_done_by_the_mirror_that_is_there(company: Any) -> None:
    original = posted(company)
    _reverse(original)
    _reverse(original, name="r-2")
    mirror = JournalEntry.objects.get(reverses=original)
    first, second = Step.objects.filter(stage="reverse_journal").order_by("seq")
    assert (first.state, second.state, second.document) == ("done", "done", mirror.number)
    assert (emitted("reverse_journal"), company["erp-de"].writes) == (["JournalReady"], 2)
    assert Case.objects.get().resolution == "fixed_by_replay", "the signature of the first"


def test_a_request_that_failed_holds_no_mirror_back(company: Any) -> None:
    """The first names a day before the journal's own; the second is right, and its mirror goes out."""
    original = posted(company)
    _reverse(original, OCTOBER - dt.timedelta(days=1))
    stuck = Case.objects.get(stage="reverse_journal")
    assert (stuck.reason, stuck.field) == ("reversal_refused", "/effective_on")
    assert "would come before entry" in stuck.text
    _reverse(original, name="r-2")
    assert JournalEntry.objects.get(reverses=original).state == "posted"
    assert JournalEntry.objects.get(id=original.id).state == "reversed"
    replay.replay([stuck.step_id], "ann")
    run_all()
    _work()
    assert Step.objects.get(id=stuck.step_id).state == "done"


def test_one_person_s_word_reverses_nothing_and_nobody_signs_their_own(company: Any) -> None:
    """Carla asks on the page; her own signature counts for nothing, Cleo's does, and Mia may decide on cases alone."""
    original = posted(company)
    carla, cleo, mia = controller("carla"), controller("cleo"), person("mia")
    carla.first_name, carla.last_name = "Carla", "Weiss"
    carla.save()
    requests.reverse_journal(carla, original, TODAY, "billed twice", "00000000-0000-7000-8000-000000000001")
    run.drain("reverse_journal")
    asked = Approval.objects.get()
    stuck = Case.objects.get()
    assert (asked.action, asked.requested_by, asked.amount_minor) == ("reversal_approval_required", carla, -119_000)
    assert (stuck.state, stuck.owner_team_id, stuck.business_key) == ("awaiting_approval", "controllers", "INV-1")
    for said in ("Carla Weiss asks to reverse", original.number, "EUR 1,190.00", "2026-11-03", "billed twice"):
        assert said in asked.reason, said
    with pytest.raises(Refused, match="own request"):
        desk.approve(carla, [asked.id])
    with pytest.raises(Refused, match="reverse_journalentry is missing"):
        desk.approve(mia, [asked.id])
    # To press Replay is no signature.
    desk.replay_one(carla, stuck.id)
    run.drain("reverse_journal")
    again = Approval.objects.get(state="requested")
    assert again.requested_by == carla
    assert not JournalEntry.objects.filter(reverses=original).exists() and company["erp-de"].writes == 1
    desk.approve(cleo, [again.id], "seen with billing")
    _work()
    mirror = JournalEntry.objects.get(reverses=original)
    assert (mirror.state, mirror.memo) == ("posted", "billed twice")
    stuck.refresh_from_db(fields=["resolved_at", "resolution"])
    assert stuck.resolution == "fixed_by_replay"
    told = list(stuck.events.filter(kind="approved").values_list("actor", "text"))
    assert told == [("cleo", "seen with billing")]


REVERSE = ["q2c.add_event", "ledger.reverse_journalentry"]


def _sent(secret: str, entry: JournalEntry, source: str) -> Approval:
    """A system asks by its key; returns what is then asked of a second person."""
    data = {"journal_id": str(entry.id), "effective_on": TODAY.isoformat(), "reason": "billed in error"}
    assert Caller(secret).post(
        "/api/v1/events", event("r-1", data, type="JournalReversalRequested", source=source)
    ).status_code == 202  # fmt: skip
    run.drain("reverse_journal")
    return Approval.objects.get()


def _her_key() -> str:
    return ApiKey.make("back-office", REVERSE, created_by=controller("carla"))[1]


def _her_key_and_a_later_one_of_another() -> str:
    secret = _her_key()
    ApiKey.make("back-office", REVERSE, created_by=controller("bob"))
    return secret


def _made_for_her() -> str:
    controller("carla")
    out, scopes = StringIO(), [word for scope in REVERSE for word in ("--scope", scope)]
    call_command("make_api_key", "back-office", "--for", "carla", *scopes, stdout=out, stderr=StringIO())
    return out.getvalue().strip()


@pytest.mark.parametrize("key", [_her_key, _her_key_and_a_later_one_of_another, _made_for_her])
@pytest.mark.parametrize("source", ["back-office", "back-office/x"])
def test_whose_key_asked_does_not_sign(company: Any, key: Callable[[], str], source: str) -> None:
    original, secret = posted(company), key()
    request = _sent(secret, original, source)
    carla = controller("carla")
    assert request.requested_by == carla
    assert request.reason.startswith("carla, by the key q2c_")
    with pytest.raises(Refused, match="own request"):
        desk.approve(carla, [request.id])
    assert JournalEntry.objects.count() == 1
    desk.approve(controller("cleo"), [request.id], "seen")
    _work()
    assert JournalEntry.objects.get(reverses=original).state == "posted"


def test_nobody_who_makes_keys_of_a_system_signs_what_a_key_of_nobody_asked_for(company: Any) -> None:
    original, carla = posted(company), controller("carla")
    nobodys, secret = ApiKey.make("back-office", REVERSE)
    ApiKey.make("back-office", ["q2c.view_event"], created_by=carla)
    request = _sent(secret, original, "back-office/x")
    assert (request.requested_by, request.data["sent_with"]) == (None, f"the key {nobodys.prefix}… of back-office")
    with pytest.raises(Refused):
        desk.approve(carla, [request.id])
    assert desk.approve(controller("cleo"), [request.id], "seen").done == [request.id]


def test_what_was_asked_before_events_knew_their_sender_is_not_signed_by_who_makes_the_keys(company: Any) -> None:
    original, carla = posted(company), controller("carla")
    ApiKey.make("back-office", REVERSE, created_by=carla)
    asked = JournalReversalRequested(journal_id=str(original.id), effective_on=TODAY, reason="billed in error")
    arrives("JournalReversalRequested", asked, "r-1", "back-office/x")
    run.drain("reverse_journal")
    with pytest.raises(Refused):
        desk.approve(carla, [Approval.objects.get().id])


@pytest.mark.parametrize("says_no", [True, False], ids=["refused", "taken back"])
def test_a_reversal_that_is_refused_or_taken_back_has_ended(company: Any, says_no: bool) -> None:
    original, carla = posted(company), controller("carla")
    carla.first_name, carla.last_name = "Carla", "Weiss"
    carla.save()
    requests.reverse_journal(carla, original, TODAY, "billed twice", "00000000-0000-7000-8000-000000000001")
    run.drain("reverse_journal")
    asked = Approval.objects.get()
    if says_no:
        desk.refuse(controller("cleo"), [asked.id], "it was billed once")
    else:
        desk.withdraw(carla, [asked.id])
    assert Case.objects.get().state == "closed_without_fix"
    assert Step.objects.get(stage="reverse_journal").state == "abandoned"
    assert JournalEntry.objects.get().state == "posted"
    # It may be asked for again, and is signed this time.
    requests.reverse_journal(carla, original, TODAY, "billed twice", "00000000-0000-7000-8000-000000000002")
    _work()
    assert JournalEntry.objects.get(id=original.id).state == "reversed"


def test_what_could_not_be_reversed_is_told_before_anybody_is_asked(company: Any) -> None:
    original = _in_a_closed_period(company)
    asked = JournalReversalRequested(journal_id=str(original.id), effective_on=OCTOBER, reason="x")
    arrives("JournalReversalRequested", asked, "r-1", "back-office")
    run.drain("reverse_journal")
    assert Case.objects.get().reason == "period_closed" and not Approval.objects.exists()
    assert approvals.granted([Step.objects.get(stage="reverse_journal").id]) == {}


def test_the_dry_run_of_a_signed_reversal_shows_its_mirror_and_asks_the_ledger(company: Any) -> None:
    original, carla = posted(company), controller("carla")
    requests.reverse_journal(carla, original, TODAY, "billed twice", "00000000-0000-7000-8000-000000000001")
    run.drain("reverse_journal")
    stuck = Case.objects.get()
    company["erp-de"].closed.add("2026-11")
    desk.approve(controller("cleo"), [Approval.objects.get().id])
    seen = replay.dry_run([stuck.step_id], ask=True)[0]
    assert [finding["text"] for finding in seen.findings] == [
        "The mirror entry would be made, but not posted: 2026-11 is closed in erp-de"
    ]
    lines = [(line.debit_minor, line.credit_minor) for line in seen.preview["entry"].lines]
    assert lines == [(0, 119_000), (100_000, 0), (19_000, 0)]
    assert JournalEntry.objects.count() == 1


def _before_it_was_booked(company: Any) -> JournalEntry:
    return posted(company)


def _in_a_closed_period(company: Any) -> JournalEntry:
    original = posted(company)
    october = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    periods.close(october, by="carla", why="October is done")
    return original


@pytest.mark.parametrize(
    ("story", "on", "reason"),
    [
        (_before_it_was_booked, OCTOBER - dt.timedelta(days=1), "reversal_refused"),
        (_in_a_closed_period, OCTOBER, "period_closed"),
    ],
    ids=["before it was booked", "in a closed period"],
)
def test_what_cannot_be_reversed(company: Any, story: Callable[[Any], JournalEntry], on: dt.date, reason: str) -> None:
    original = story(company)
    before = JournalEntry.objects.count()
    _reverse(original, on, "r-2")
    assert Case.objects.get(stage="reverse_journal").reason == reason
    assert JournalEntry.objects.count() == before


def test_a_journal_that_is_blocked_is_reversed_only_after_it_was_posted(company: Any) -> None:
    company["erp-de"].inactive.add(("cost_center", "CC-410"))
    issue("INV-1", order())
    run_all()
    entry = JournalEntry.objects.get()
    _reverse(entry)
    asked = Step.objects.get(stage="reverse_journal")
    assert asked.state == "waiting", "held behind the journal that it undoes"
    company["erp-de"].inactive.clear()
    replay.replay([step("INV-1", "post_journal").id], "ann")
    run_all()
    _work()
    entry = JournalEntry.objects.get(id=entry.id)
    assert entry.state == "reversed"


@pytest.mark.parametrize("asked", ["not an id", "00000000-0000-7000-8000-000000000000"])
def test_a_journal_that_nobody_knows(company: Any, asked: str) -> None:
    request = JournalReversalRequested(journal_id=asked, effective_on=NOW.date(), reason="x")
    arrives("JournalReversalRequested", request, source="back-office")
    run.drain("reverse_journal")
    stuck = Case.objects.get()
    assert (stuck.reason, stuck.field) == ("record_missing", "/journal_id")
