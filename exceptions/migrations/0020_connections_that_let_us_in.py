"""What is refused for our credentials waits for its connection: one problem each, whatever code the platform gave."""

from __future__ import annotations

from typing import Any

from django.db import migrations

from q2c import keys

REASON = "credentials_refused"
UNRESOLVED = ("open", "in_progress", "reopened", "awaiting_approval", "replaying", "snoozed")


def one_problem_each(apps: Any, schema_editor: Any) -> None:
    """A case that names no connection (tax and credit are asked by steps of none) stays as it is until it fails anew."""
    Problem = apps.get_model("exceptions", "Problem")
    found: dict[str, list[Any]] = {}
    without = Problem.objects.filter(kind="cases", reason=REASON, blocker_type="").exclude(connection="")
    # The open ones come first.
    for problem in without.order_by("state", "number"):
        found.setdefault(problem.connection, []).append(problem)
    for name, (first, *others) in found.items():
        _join(apps.get_model("exceptions", "Case"), name, first, others)
        blocker = _blocker(name)
        mark = keys.fingerprint(keys.canonical([REASON, *blocker.values()])).hex()
        said = first.title.rpartition(f": {name}")[0] or first.title
        title = f"{said}: connection {name}"[:300]
        Problem.objects.filter(pk=first.pk).update(fingerprint=mark, code="", title=title, **blocker)


def _join(cases: Any, name: str, first: Any, others: list[Any]) -> None:
    """The problems that are left empty are ended by the sweeper."""
    cases.objects.filter(problem__in=others).update(problem=first)
    waiting = cases.objects.filter(problem=first, state__in=UNRESOLVED, step_id__isnull=False)
    waiting.update(**_blocker(name))


def _blocker(name: str) -> dict[str, str]:
    return {
        "blocker_connection": name, "blocker_type": "connection", "blocker_key": name, "blocker_condition": REASON,
    }  # fmt: skip


class Migration(migrations.Migration):
    dependencies = [("exceptions", "0019_replays_tell_differences")]

    operations = [migrations.RunPython(one_problem_each, migrations.RunPython.noop)]
