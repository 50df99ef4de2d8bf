"""A large database in a minute: rows copied from one of each kind, past the triggers, as the owner."""

from __future__ import annotations

from typing import Any

import psycopg
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.db import connection

from exceptions.models import Case, Problem, Team
from q2c.models import Event, Step
from tests.bench import raw
from tests.engine.records import made

REASONS = ("period_closed", "dimension_inactive", "item_mapping_missing", "credit_refused", "content_differs")
USER = "bench"


def reader() -> Any:
    """A person who may see everything, with a team."""
    user, new = get_user_model().objects.get_or_create(username=USER, defaults={"email": "bench@example.com"})
    if new:
        user.set_password("a long enough word")
        user.save()
        user.user_permissions.set(Permission.objects.filter(codename__startswith="view_"))
        Team.objects.get(code="finance-systems").members.add(user)
    return user


def fill(size: int) -> None:
    """`size` events with a done step each, and as many cases: a tenth of them open, the others resolved."""
    if Case.objects.count() >= size:
        return
    reader()
    event, problem = made(Event), made(Problem)
    step = made(Step, event=event)
    case = made(Case, problem=problem, owner_team_id="finance-systems", currency="EUR", amount_minor=1)
    connection.close()
    with raw.connect() as owner:
        # Columns are spread over the last year: what is open is the youngest.
        at = "now() - interval '1 year' * (1 - n::float / %(size)s)"
        ids = "md5('{0}' || n)::uuid"
        _copies(owner, "q2c_event", event.pk, size, {
            "id": ids.format("e"), "source": "'crm'", "source_id": "'E-' || n", "correlation_id": ids.format("c"),
            "occurred_at": at, "received_at": at,
        })  # fmt: skip
        _copies(owner, "q2c_step", step.pk, size, {
            "id": ids.format("s"), "event_id": ids.format("e"), "correlation_id": ids.format("c"), "state": "'done'",
            "stage": "'post_journal'", "key": "'Q2C' || n", "seq": "n + 1000000000", "order_key": "''",
            "business_key": "'INV-' || n", "next_at": at, "created_at": at, "finished_at": at,
        })  # fmt: skip
        reasons = "(ARRAY[" + ",".join(f"'{reason}'" for reason in REASONS) + "])[1 + n %% 5]"
        ended = "n <= %(size)s * 0.9"
        _copies(owner, "exceptions_case", case.pk, size, {
            "id": ids.format("k"), "number": "n + 1000000000", "step_id": ids.format("s"), "event_id": ids.format("e"),
            "correlation_id": ids.format("c"), "state": f"CASE WHEN {ended} THEN 'resolved' ELSE 'open' END",
            "reason": reasons, "text": "'Period 2026-' || n %% 12 || ' of DE is closed'",
            "entity": "(ARRAY['US','DE','UK','JP'])[1 + n %% 4]", "period": "'2026-' || lpad((1 + n %% 12)::text, 2, '0')",
            "amount_minor": "n * 17 %% 10000000", "business_key": "'INV-' || n", "customer": "'Customer ' || n %% 5000",
            "opened_at": at, "last_failed_at": at, "level_from": at, "due_at": f"{at} + interval '1 day'",
            "resolved_at": f"CASE WHEN {ended} THEN {at} END",
            "resolution": f"CASE WHEN {ended} THEN 'fixed_by_replay' ELSE '' END",
        })  # fmt: skip
        for table in ("q2c_event", "q2c_step", "exceptions_case"):
            owner.execute(f"VACUUM ANALYZE {table}")


def _copies(owner: psycopg.Connection[Any], table: str, template: Any, size: int, given: dict[str, str]) -> None:
    """Rows like the template but for the columns given as SQL over n."""
    rows = owner.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND is_generated = 'NEVER' "
        "ORDER BY ordinal_position",
        [table],
    ).fetchall()
    names = [row[0] for row in rows]
    values = ", ".join(given.get(name, f't."{name}"') for name in names)
    columns = ", ".join(f'"{name}"' for name in names)
    owner.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
    owner.execute(
        f"INSERT INTO {table} ({columns}) SELECT {values} FROM {table} t, generate_series(1, %(size)s) n "
        f"WHERE t.id = %(template)s",
        {"size": size, "template": template},
    )
    owner.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
