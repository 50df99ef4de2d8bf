"""STAGES beside the code: each stage emits what its row says, and what comes from outside is heard by one."""

from __future__ import annotations

import ast
import inspect
import sys

import pytest

from q2c.contracts.events import EVENTS
from q2c.engine.emit import BY_EVENT
from q2c.stages import STAGES
from q2c.stages.verb import Stage


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


def test_every_event_has_a_source_and_what_comes_from_outside_is_heard() -> None:
    """What a stage emits and no stage hears is an end: told to people, and to stages that are to come."""
    emitted = {type_ for stage in STAGES.values() for type_ in stage.emits}
    inbound = {row.name for row in EVENTS.values() if row.inbound}
    assert emitted | inbound == set(EVENTS)
    assert inbound <= {type_ for type_, stages in BY_EVENT.items() if stages}


@pytest.mark.parametrize("stage", [stage for stage in STAGES.values() if stage.undoes], ids=lambda stage: stage.name)
def test_what_undoes_something_names_another_stage(stage: Stage) -> None:
    assert stage.undoes in STAGES and stage.undoes != stage.name
