"""Replays: what is going to be sent, what it will book, how far it is, and how to stop it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from django.db import connection
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from exceptions import batches, rights
from exceptions.errors import NotPossible
from exceptions.models import ReplayBatch
from exceptions.models.case import REPLAYABLE
from q2c.engine import desk
from q2c.models import Step
from q2c.models.connection import called
from q2c.money import Money
from q2c.reading import followed, held
from q2c.reading.keys_there import keys_there
from q2c.stages.post_journal import journals_of
from q2c.ui import links, lists, parts, story
from q2c.ui.acting import answering, back, whole
from q2c.ui.formats import number
from q2c.ui.frame import tell
from q2c.ui.rights import right

ROWS = 50
# Proposed for a replay of many; the person may say otherwise.
CANARY, STOP_AFTER = 1, 5
# How it stands where its own part is through and what followed is not, by the worst of that.
_AFTER = {"stopped": "stopped_after", "unknown": "unknown_after", "underway": "goes_on", "held": "held_after"}
_OTHERWISE = Q(preview__beside__gt="")
_UNTOLD = Q(preview__passes=True, preview__sure=False)
OUTCOMES = ("queued", "sent", "unknown", "confirmed", "failed_again", "skipped")


@require_safe
@right("exceptions.view_case")
def replays(request: HttpRequest) -> HttpResponse:
    """The latest first."""
    seen = ReplayBatch.objects.visible_to(request.user).select_related("created_by", "sent_by")
    page = lists.page_of(request, seen, {"created": "created_at"}, "-created", rows=ROWS)
    counts = batches.counts([batch.id for batch in page])
    waits = held.of_replays([batch.id for batch in page])
    after = followed.open_counts(request.user, [id_ for id_, came_to in counts.items() if came_to.get("confirmed")])
    rows = [
        (
            batch, worth(batch), _now(became(batch, counts[batch.id]), after.get(batch.id, followed.Counts())),
            _apart(counts[batch.id], waits.get(batch.id)), after.get(batch.id),
        )
        for batch in page
    ]  # fmt: skip
    return render(request, "replays/replays.html", {"page": page, "rows": rows})


def _apart(counts: Mapping[str, int], waits: tuple[int, int] | None) -> dict[str, int]:
    """Counts by outcome, with what was sent and is held behind another step told apart from what is on its way."""
    behind, stuck = waits or (0, 0)
    return {**counts, "on_its_way": counts.get("sent", 0) - behind, "held": behind, "stuck": stuck}


def worth(batch: ReplayBatch) -> list[Money]:
    """What it was about, by currency: charges and credits apart, then what billing has otherwise."""
    apart = batch.differences
    totals = [(minor - sum(apart.get(code, ())), code) for code, minor in batch.totals.items()]
    credits = [(minor, code) for code, minor in batch.credits.items()]
    shown = [each for each in parts.apart(totals, credits) if each.minor or each.currency not in apart]
    return [*shown, *(parts.Differences(minor, code) for code in sorted(apart) for minor in apart[code] if minor)]


def became(batch: ReplayBatch, counts: Mapping[str, int]) -> str:
    """Its state as a person would say it: finished is no success where something failed."""
    if batch.state != "finished" or not counts.get("failed_again"):
        return batch.state
    return "partly_failed" if counts.get("confirmed") else "failed"


def _now(came_to: str, after: followed.Counts) -> str:
    """Finished is its own part; it is no success before what follows from it is there, too."""
    return _AFTER.get(after.worst, came_to) if came_to == "finished" else came_to


def _batch(request: HttpRequest, batch_id: uuid.UUID) -> ReplayBatch:
    seen = ReplayBatch.objects.visible_to(request.user).select_related("created_by", "sent_by")
    found: ReplayBatch | None = seen.filter(id=batch_id).first()
    if found is None:
        raise Http404
    return found


@require_safe
@right("exceptions.view_case")
def replay(request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
    batch = _batch(request, batch_id)
    context = {
        "crumbs": [parts.Crumb("Replays", reverse("replays")), parts.Crumb(f"R-{batch.number}")],
        **_listed(request, batch),
        "orders": batch.items.filter(case__stage="accept_order").exclude(outcome="skipped").exists(),
        "impact": _impact(batch) if batch.state == "dry_run" else [],
        "send_right": "exceptions.bulk_replay" if batch.size > 1 else "exceptions.replay_case",
        "canary": batch.canary or (CANARY if batch.size > 10 else 0),
        "stop_after": batch.stop_after or (STOP_AFTER if batch.size > 10 else 0),
        **standing(request.user, batch),
    }
    return render(request, "replays/replay.html", context | _labels(batch, context))


def _labels(batch: ReplayBatch, stands: Mapping[str, Any]) -> dict[str, str]:
    """What the buttons that send it say: all of it, and all but what would fail, where there is a difference."""
    looked, fails = stands["looked"], stands["looked"]["fails"]
    passing = stands["left"] - fails
    if not fails or not passing:
        return {"send_label": f"Send {number(batch.size)}" if batch.size > 1 else "Send it"}
    verb = "may pass" if looked["untold"] or looked["unseen"] else "pass" if passing > 1 else "passes"
    return {
        "send_label": f"Send all {number(stands['left'])}",
        "send_passing": f"Send the {number(passing)} that {verb}",
    }


def _listed(request: HttpRequest, batch: ReplayBatch) -> dict[str, Any]:
    """A page of its cases, each with what it would book and what followed from it."""
    outcome = request.GET.get("outcome", "")
    items = batch.items.select_related("case")
    if outcome == "would_fail":
        items = items.filter(id__in=batches.sendable(batch.id).filter(preview__passes=False).values("id"))
    elif outcome == "cannot_be_told":
        items = items.filter(id__in=batches.sendable(batch.id).filter(_UNTOLD).values("id"))
    elif outcome == "otherwise_in_billing":
        items = items.filter(id__in=batches.sendable(batch.id).filter(_OTHERWISE).values("id"))
    elif outcome in OUTCOMES:
        items = items.filter(outcome=outcome)
    page = lists.page_of(request, items, {"ordinal": "ordinal"}, "ordinal", rows=ROWS)
    seen = Step.objects.visible_to(request.user)
    steps = list(seen.filter(id__in=[item.step_id for item in page if item.outcome == "confirmed"]))
    sent = [item.step_id for item in page if item.outcome == "sent"]
    waits = followed.itself(request.user, seen.filter(id__in=sent, state="waiting")) if sent else {}
    journeys = waits | followed.of(request.user, steps)
    after = {step_id: story.followed(journey) for step_id, journey in journeys.items()}
    documents = _documents(request.user, steps)
    rows = [
        (
            item, journal_of(item.preview), after.get(item.step_id, []),
            documents.get(item.step_id) or _of_what_followed(after.get(item.step_id, [])),
            _AFTER.get(journeys[item.step_id].worst, "") if item.step_id in journeys else "",
        )
        for item in page
    ]  # fmt: skip
    return {"page": page, "rows": rows, "outcome": outcome, "query": request.GET.urlencode(),
            "first_until": batches.canary_ends(batch)}  # fmt: skip


def _documents(user: Any, steps: list[Step]) -> dict[uuid.UUID, list[dict[str, str]]]:
    """By step that has one: the document it wrote, the key it is held under, and the journal it belongs to."""
    keys = keys_there(steps)
    posted = [step for step in steps if step.stage == "post_journal"]
    entries = journals_of(posted) if posted and user.has_perm("ledger.view_journalentry") else {}
    return {
        step.id: [
            {
                "number": step.document,
                "key": keys.get(step.id, ""),
                "href": links.to("journal", entries[step.id].id) if step.id in entries else "",
            }
        ]
        for step in steps
        if step.document
    }


def _of_what_followed(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """What has no document of its own has those of what it led to: an invoice, that of its journal."""
    return [
        {"number": row["entry"].document_number, "key": row["entry"].key, "href": row["href"]}
        for row in rows
        if row["entry"] is not None and row["entry"].document_number
    ]


def standing(user: Any, batch: ReplayBatch) -> dict[str, Any]:
    """How a replay stands: its dry run, its progress, what followed, its filters."""
    now = batches.progress(batch)
    unknown, sent = now.items.get("unknown", 0), now.items.get("sent", 0)
    apart = _apart(now.items, held.of_replays([batch.id]).get(batch.id))
    # Cases of a dry run may end, or go out otherwise, while it waits.
    queued = batches.sendable(batch.id)
    looked = queued.aggregate(
        passes=Count("id", filter=Q(preview__passes=True) & ~_UNTOLD), untold=Count("id", filter=_UNTOLD),
        fails=Count("id", filter=Q(preview__passes=False)), unseen=Count("id", filter=Q(preview__isnull=True)),
    )  # fmt: skip
    silent = queued.filter(_UNTOLD).order_by().values_list("preview__silent", flat=True).distinct()
    left = sum(looked.values())
    otherwise = queued.filter(_OTHERWISE).count()
    moving = batch.state in ("queued", "running") or (batch.state == "cancelled" and sent + unknown > 0)
    after = followed.counts(user, batch.id) if now.items.get("confirmed") else followed.Counts()
    return {
        "batch": batch,
        "sums": worth(batch),
        "became": _now(became(batch, now.items), after),
        "looked": looked | {"otherwise": otherwise},
        "silent": sorted(called(silent).values()) if looked["untold"] else [],
        "left": left,
        "gone": now.items.get("queued", 0) - left,
        # Nothing would go through: sending it wants a second thought.
        "hopeless": left > 0 and looked["fails"] == left,
        "counts": now.items,
        "left_out": batches.left_out(batch).count() if now.items.get("skipped") else 0,
        "apart": apart,
        "after": after,
        # Through with its own steps it is watched on, until what followed stands still too.
        "moving": moving or after.underway + after.unknown > 0 or after.held > after.stuck,
        "work": parts.Progress(
            # What was left out, at first or since, has nothing to come to.
            label=f"R-{batch.number}", total=sum(now.items.values()) - now.items.get("skipped", 0),
            done=now.items.get("confirmed", 0), failed=now.items.get("failed_again", 0), unknown=unknown,
            state=_now(became(batch, now.items), after) if not moving else "running", url="",
            note=_note(apart), through=not after.worst,
        ),
    }  # fmt: skip


def _note(apart: Mapping[str, int]) -> str:
    """What is out and has come to nothing yet."""
    said = [f"{number(apart['on_its_way'])} sent, not confirmed yet"] if apart["on_its_way"] else []
    if apart["held"]:
        said.append(f"{number(apart['held'])} held behind another step")
    return ", ".join(said)


def _impact(batch: ReplayBatch) -> list[parts.JournalPreview]:
    """What all that would pass would book together: one set of debits and credits per currency and entity."""
    with connection.cursor() as cursor:
        cursor.execute(_IMPACT, [batch.id, list(REPLAYABLE)])
        rows = cursor.fetchall()
    found: dict[tuple[str, str], list[parts.JournalLine]] = {}
    for entity, currency, account, name, debit, credit in rows:
        lines = found.setdefault((entity, currency), [])
        lines.append(parts.JournalLine(account, name, debit_minor=int(debit), credit_minor=int(credit)))
    return [parts.JournalPreview(currency, lines, entity=entity) for (entity, currency), lines in found.items()]


_IMPACT = """
SELECT i.preview->'journal'->>'entity', i.preview->'journal'->>'currency', l->>'account', l->>'name',
       sum((l->>'debit_minor')::bigint), sum((l->>'credit_minor')::bigint)
FROM exceptions_replayitem i JOIN exceptions_case c ON c.id = i.case_id,
  jsonb_array_elements(i.preview->'journal'->'lines') l
WHERE i.batch_id = %s AND i.outcome = 'queued' AND i.preview @> '{"passes": true}'
  AND NOT i.preview @> '{"sure": false}' AND c.state = ANY(%s)
  AND NOT EXISTS (SELECT 1 FROM exceptions_replayitem o JOIN exceptions_replaybatch b ON b.id = o.batch_id
                  WHERE o.case_id = i.case_id AND o.outcome = 'queued' AND b.state IN ('queued', 'running'))
GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3
"""


def journal_of(preview: Mapping[str, Any] | None) -> parts.JournalPreview | None:
    """The debits and credits that a dry run kept, as a part of a page."""
    found = (preview or {}).get("journal")
    if not found:
        return None
    lines = [
        parts.JournalLine(
            line["account"], line["name"], line["debit_minor"], line["credit_minor"], line["text"],
            line["dimensions"], line["rule"],
        )
        for line in found["lines"]
    ]  # fmt: skip
    return parts.JournalPreview(
        found["currency"], lines, entity=found["entity"], period=found["period"], number=found["number"]
    )


@require_safe
@right("exceptions.view_case")
def progress(request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
    """The moving part of the page, asked again and again; once it stands still the whole page is loaded anew."""
    batch = _batch(request, batch_id)
    context = {**_listed(request, batch), **standing(request.user, batch), "live": True}
    response = render(request, "replays/progress.html", context)
    if not context["moving"] and not (batch.state == "dry_run" and context["looked"]["unseen"]):
        response["HX-Refresh"] = "true"
    return response


@require_POST
@right(rights.REPLAY)
@answering
def send(request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
    """The person has seen the dry run and wants it. Pressed twice, it is sent once, and both presses are told so."""
    _batch(request, batch_id)
    given = {
        "canary": whole(request.POST.get("canary", ""), "How many go first"),
        "stop_after": whole(request.POST.get("stop_after", ""), "After how many failures it stops"),
    }
    try:
        passing = request.POST.get("only") == "passing"
        batch = desk.send(request.user, batch_id, leave_out=passing, **given)
    except NotPossible:
        batch = _batch(request, batch_id)
        if batch.state not in ("queued", "running", "finished"):
            raise
        tell(request, "busy", f"R-{batch.number} is sent already.", "It goes once, however often it is asked for.")
        return HttpResponseRedirect(reverse("replay", args=[batch_id]))
    then = "The rest follows once what goes first is confirmed." if batch.canary else ""
    if out := batches.left_out(batch).count():
        then = f"{number(out)} that would fail {'is' if out == 1 else 'are'} left out and in the queue still. {then}"
    tell(request, "busy", f"R-{batch.number} is on its way.", then.strip())
    return HttpResponseRedirect(reverse("replay", args=[batch_id]))


@require_POST
@right(rights.REPLAY)
@answering
def anew(request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
    """The same cases, as far as they could be sent now, on master data as it is now."""
    _batch(request, batch_id)
    batch = desk.anew(request.user, batch_id)
    tell(request, "busy", "The dry run is made anew.", "Nothing is sent yet.")
    return HttpResponseRedirect(reverse("replay", args=[batch.id]))


@require_POST
@right(rights.REPLAY)
@answering
def cancel(request: HttpRequest, batch_id: uuid.UUID) -> HttpResponse:
    _batch(request, batch_id)
    batch = desk.cancel(request.user, batch_id, request.POST.get("reason", "").strip())
    tell(request, "good", f"R-{batch.number} is cancelled.", "Nothing more goes out; what is out comes to its end.")
    return HttpResponseRedirect(back(request, "replays"))
