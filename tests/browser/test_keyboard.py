"""Somebody without a mouse: a journal met a closed period; its case is found, claimed, told about, dry-run and replayed
by keys alone, and whatever has the focus shows it.
"""

from __future__ import annotations

from typing import Any

import pytest

from q2c import clock
from q2c.demo.company import ERP
from tests.browser.conftest import Person, Room
from tests.browser.test_fix_and_replay import blocked_journal, person
from tests.scenarios.workers import until

pytestmark = pytest.mark.django_db(transaction=True)
REACHABLE = "a[href], button, input, select, textarea, summary"
# What has the focus: its words, whether a ring is around it, and whether all of it is on the screen with nothing over it.
FOCUS = """() => {
    const at = document.activeElement, style = getComputedStyle(at), box = at.getClientRects()[0] ?? new DOMRect();
    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
    const seen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2
        && box.width > 0 && box.top >= 0 && box.left >= 0 && box.bottom <= innerHeight && box.right <= innerWidth
        && (at === top || at.contains(top) || top?.contains(at));
    const named = at.querySelector('[aria-label]') ?? at;
    const words = (at.innerText || named.getAttribute('aria-label') || at.name || '').trim();
    const dialog = document.querySelector('dialog[open]');
    const is_out = !(dialog?.contains(at) ?? true) && at !== document.body;
    return {words, tag: at.localName, seen, is_out, dialog: dialog?.id ?? '', again: at.dataset.passed ?? ''};
}"""
PASSED = "count => { document.activeElement.dataset.passed ??= count; }"
MISSED = f"""() => [...document.querySelectorAll('{REACHABLE}')].filter(
    one => !one.dataset.passed && one.tabIndex >= 0 && !one.disabled && one.type !== 'hidden' && one.checkVisibility()
).map(one => one.outerHTML.slice(0, 120))"""


def focus(who: Person) -> dict[str, Any]:
    found: dict[str, Any] = who.page.evaluate(FOCUS)
    return found


def stop(who: Person) -> dict[str, Any]:
    """Where the next Tab leads, once the page has come to rest there."""
    press(who, "Tab")
    for _ in range(10):
        at = focus(who)
        if at["seen"] or at["tag"] == "body":
            break
        who.page.wait_for_timeout(50)
    return at


def press(who: Person, *keys: str) -> None:
    for key in keys:
        who.page.keyboard.press(key)


def tab_to(who: Person, words: str) -> None:
    """On to what is called so; each stop on the way shows that it has the focus."""
    for _ in range(120):
        at = stop(who)
        assert at["seen"] or at["tag"] == "body", at
        if at["words"].startswith(words):
            return
    raise AssertionError(f"Tab never comes to {words}")


def test_a_case_is_worked_on_by_keys_alone(room: Room, browser: Any) -> None:
    case = blocked_journal(room, "SO-6101")
    mei = person(browser, room, "mei")
    found_in_the_queue(mei)
    press(mei, "Enter")
    mei.page.wait_for_url(f"**/cases/{case.id}")
    press(mei, "c")
    mei.page.wait_for_selector("text=1 case claimed.")
    commented(mei)
    tab_to(mei, "Dry run: what a replay would book today")
    press(mei, "Enter")
    mei.page.wait_for_selector("#dry-run >> text=A replay would fail again")
    assert focus(mei)["words"].startswith("A replay would fail again"), (
        "the button is gone; what it brought has the focus"
    )
    room.story.platforms.change(ERP, "accountingPeriod", f"{clock.today():%b %Y}", closed=False)
    replayed(mei)
    until(lambda: case.__class__.objects.filter(id=case.id, state="resolved").exists(), 60)
    case.refresh_from_db()
    assert (case.assignee.username, len(room.story.documents())) == ("mei", 1)
    mei.page.wait_for_selector(f"text={case.document}")
    assert mei.complaints == []


def found_in_the_queue(mei: Person) -> None:
    """By the keys that the help names."""
    page = mei.page
    press(mei, "?")
    page.wait_for_selector("#keys:popover-open")
    assert focus(mei)["words"] == "Close"
    press(mei, "Escape", "g", "q")
    page.wait_for_url("**/queue")
    press(mei, "/")
    assert focus(mei)["words"] == "q" and focus(mei)["seen"]
    press(mei, "Escape", "f")
    assert focus(mei)["seen"]
    page.keyboard.type("Leeds")
    press(mei, "Enter")
    page.wait_for_url("**/queue?*q=Leeds*")
    press(mei, "j")
    assert (focus(mei)["words"], focus(mei)["seen"]) == ("Period closed", True)
    mei.keeps("keys row of the queue")


def commented(mei: Person) -> None:
    """The dialog takes the focus, keeps it, and gives it back."""
    tab_to(mei, "Comment")
    press(mei, "Enter")
    assert (focus(mei)["dialog"], focus(mei)["tag"]) == ("comment", "textarea")
    mei.keeps("keys dialog")
    for _ in range(9):
        press(mei, "Tab")
        assert not focus(mei)["is_out"], focus(mei)
    press(mei, "Escape")
    assert (focus(mei)["dialog"], focus(mei)["words"], focus(mei)["seen"]) == ("", "Comment", True)
    press(mei, "Enter")
    mei.page.keyboard.type("The bank statement is with Carla.")
    tab_to(mei, "Comment")
    press(mei, "Enter")
    mei.page.wait_for_selector("text=The bank statement is with Carla.")


def replayed(mei: Person) -> None:
    """Opened by its own key, the dialog gives the focus to its button all the same."""
    press(mei, "y")
    assert focus(mei)["dialog"] == "replay"
    press(mei, "Escape")
    assert (focus(mei)["dialog"], focus(mei)["words"].split()[0], focus(mei)["seen"]) == ("", "Replay", True)
    press(mei, "Enter")
    mei.page.keyboard.type("Opened in the ERP.")
    tab_to(mei, "Replay")
    press(mei, "Enter")
    mei.page.wait_for_selector("text=is sent again.")


@pytest.mark.parametrize("width", [1280, 390])
def test_everything_on_a_page_is_reached_with_tab(room: Room, browser: Any, width: int) -> None:
    case = blocked_journal(room, "SO-6102")
    mei = person(browser, room, "mei", width=width)
    for path in ("/", "/queue", f"/cases/{case.id}", f"/problems/{case.problem_id}", "/sandbox/netsuite"):
        mei.goes(path)
        walked(mei, path)
    guest = Person(browser, room.url, width=width)
    guest.goes("/sign-in")
    walked(guest, "/sign-in")


def walked(who: Person, path: str) -> None:
    """On until it begins anew."""
    hidden = []
    for count in range(400):
        at = stop(who)
        if at["again"] == "0":
            break
        if at["tag"] == "body":
            continue
        if not at["seen"]:
            hidden.append((path, at["tag"], at["words"]))
        who.page.evaluate(PASSED, count)
    assert (hidden, who.page.evaluate(MISSED)) == ([], []), path
