"""The process page and the architecture's table are STAGES, nothing else."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError

from q2c import clock
from q2c.management.commands import process_table
from q2c.reading import process
from q2c.stages import STAGES
from tests import flow_makers as make
from tests.ui.people import boss, page, person

NOW = dt.datetime(2026, 11, 3, 10, tzinfo=dt.UTC)


@pytest.mark.django_db
def test_every_stage_is_drawn_and_told_with_what_stands_there(client):
    with clock.at(NOW):
        make.company()
        make.through("O-1", "INV-1")
        make.deal("O-2")
        client.force_login(boss())
        text = page(client, "/process")
    drawing, table = text.split("</svg></div>", 1)
    for stage in STAGES.values():
        assert f">{stage.name}</text>" in drawing
        row = table.split(f'<tr id="{stage.name}">')[1].split("</tr>")[0]
        for said in (stage.owner, f"queue {stage.queue}", *stage.on, *stage.emits):
            assert said in row
    notes = re.findall(r'class="note"[^>]*>([^<]*)<', drawing)
    assert "on OrderAccepted and 3 more" in notes and not [note for note in notes if note.endswith("…")]
    assert "1 on a later day" in table.split('id="activate_subscription"')[1].split("</tr>")[0]
    assert "Waiting" in table.split('id="accept_order"')[1].split("</tr>")[0]


@pytest.mark.django_db
def test_without_the_right_it_names_it(client):
    client.force_login(person("mia"))
    assert "q2c.view_step" in page(client, "/process", 403)


def test_arrows_are_the_events_that_stages_emit_and_wait_for():
    assert process.leads_to(STAGES["post_journal"]) == ["record_invoice", "reverse_journal"]
    assert process.leads_to(STAGES["provision_billing"]) == ["sync_customer"]
    assert process.leads_to(STAGES["accept_order"]) == []


def test_the_architecture_says_what_the_table_says():
    text = (settings.BASE_DIR / process_table.DOC).read_text()
    assert process_table.written(text) == text, "run manage.py process_table"
    assert text.count("\n| `") >= len(STAGES)


def test_the_command_writes_between_its_markers_only(tmp_path, settings):
    settings.BASE_DIR = tmp_path
    (tmp_path / "docs").mkdir()
    doc = tmp_path / process_table.DOC
    doc.write_text(f"before\n{process_table.BEGIN}\nold\n{process_table.END}\nafter\n")
    with pytest.raises(CommandError, match="behind"):
        call_command("process_table", check=True)
    call_command("process_table")
    text = doc.read_text()
    assert text.startswith("before\n") and text.endswith("\nafter\n") and "\nold\n" not in text
    assert all(f"| `{name}` |" in text for name in STAGES)
    call_command("process_table", check=True)
    doc.write_text("no markers")
    with pytest.raises(CommandError, match="once each"):
        call_command("process_table")
