"""STAGES beside the code: each stage emits what its row says, and every event is heard, or known to be an end."""

from __future__ import annotations

import ast
import inspect
import sys

import pytest

from q2c.contracts.events import EVENTS
from q2c.engine.emit import BY_EVENT
from q2c.stages import STAGES
from q2c.stages.verb import Stage

# Told to people, to the books or to stages that are to come; nothing of ours has to happen on them.
ENDS = {"PaymentDue", "RevenueScheduled", "JournalPosted", "JournalReversed"}


def said(stage: Stage) -> set[str]:
    """The event types that the stage's own module names as the first argument of an emit."""
    tree = ast.parse(inspect.getsource(sys.modules[type(stage.verb).__module__]))
    calls = [
        node for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "emit"
    ]  # fmt: skip
    named = [branch for call in calls for branch in _branches(call.args[0])]
    assert all(isinstance(branch, ast.Constant) for branch in named), f"{stage.name} emits what nobody can read"
    return {str(branch.value) for branch in named if isinstance(branch, ast.Constant)}


def _branches(node: ast.expr) -> list[ast.expr]:
    return [*_branches(node.body), *_branches(node.orelse)] if isinstance(node, ast.IfExp) else [node]


@pytest.mark.parametrize("stage", STAGES.values(), ids=lambda stage: stage.name)
def test_a_stage_emits_what_its_row_says_and_nothing_else(stage: Stage) -> None:
    assert said(stage) == set(stage.emits)
    assert set(stage.emits) | set(stage.on) <= set(EVENTS)


def test_every_event_has_a_source_and_a_listener_or_is_an_end() -> None:
    emitted = {type_ for stage in STAGES.values() for type_ in stage.emits}
    inbound = {row.name for row in EVENTS.values() if row.inbound}
    assert emitted | inbound == set(EVENTS)
    heard = {type_ for type_, stages in BY_EVENT.items() if stages}
    assert set(EVENTS) - heard == ENDS


def test_what_undoes_something_names_a_stage() -> None:
    assert {stage.name: stage.undoes for stage in STAGES.values() if stage.undoes} == {
        "cancel_order": "provision_billing",
        "reverse_journal": "post_journal",
    }
