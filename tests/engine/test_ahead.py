"""Before a batch of journals is sent, the ledger is asked once about all of them; that alone decides nothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from q2c.models import Step
from tests.engine import makers, paper


@pytest.fixture
def asked(company: dict[str, paper.Book], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Of how many journals each question was."""
    sizes: list[int] = []
    plain = paper.PaperLedger.check

    def check(self: paper.PaperLedger, journals: Sequence[Any], **more: Any) -> Any:
        sizes.append(len(journals))
        return plain(self, journals, **more)

    monkeypatch.setattr(paper.PaperLedger, "check", check)
    return sizes


def _issued(count: int) -> None:
    order = makers.order()
    for number in range(count):
        makers.issue(f"INV-{number}", order)
    makers.run_all()


def test_a_batch_is_read_for_at_once_and_each_journal_is_still_checked_alone(asked: list[int]) -> None:
    _issued(3)
    assert asked == [3, 1, 1, 1]
    assert Step.objects.filter(stage="post_journal", state="done").count() == 3


def test_one_journal_is_asked_about_once(asked: list[int]) -> None:
    _issued(1)
    assert asked == [1]


def test_a_question_that_breaks_leaves_the_answer_to_the_calls(
    asked: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = paper.PaperLedger.check

    def check(self: paper.PaperLedger, journals: Sequence[Any], **more: Any) -> Any:
        if len(journals) > 1:
            raise ValueError("a page that is no JSON")
        return plain(self, journals, **more)

    monkeypatch.setattr(paper.PaperLedger, "check", check)
    _issued(2)
    assert Step.objects.filter(stage="post_journal", state="done").count() == 2
