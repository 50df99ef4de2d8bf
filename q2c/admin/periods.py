"""Fiscal periods: closed through their transitions, with a reason; reopened once a second person has approved it.

Their state is never typed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.db import models
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.html import format_html, format_html_join
from django_fsm import ConcurrentTransition, TransitionNotAllowed

from exceptions import rights
from exceptions.errors import NotPossible
from exceptions.rights import name_of
from exceptions.sentences import count, listed
from ledger import periods
from ledger.models import FiscalPeriod
from q2c import clock
from q2c.admin.guarded_rows import FiscalPeriodRows
from q2c.admin.master import ImportedAdmin
from q2c.admin.offers import announce
from q2c.admin.reasons import reason_field
from q2c.engine import decisions
from q2c.reading import close, credits_due, left_open, not_read, reopening, unread
from q2c.ui import asked_for, decided, links, story
from q2c.ui.formats import dates, number
from q2c.ui.parts import apart, by_currency, by_sign
from q2c.ui.rights import require

# verb → (what the button says, the right, states it may begin in, what it does, what it means)
MOVES: dict[str, tuple[str, str, tuple[str, ...], Any, str]] = {
    "soft-close": (
        "Soft-close", "ledger.close_period", ("open",), periods.soft_close,
        "The flow books no more in these periods; corrections still may.",
    ),
    "close": (
        "Close", "ledger.close_period", ("open", "soft_closed"), periods.close,
        "Nothing is booked any more in these periods. What arrives for them becomes a case.",
    ),
    "reopen": (
        "Ask to reopen", "ledger.reopen_period", ("soft_closed", "closed"), None,
        "Nothing changes until a second person approves it, under Approvals. From then on what is dated in these "
        "periods is booked in them again, until they are closed. What waits for them is offered for replay; nothing is "
        "booked by itself. A period that is closed in the ERP has to be opened there as well.",
    ),
}  # fmt: skip

# Said where something differs.
GIVEN_UP = (
    "What was given up, reversed, changed or taken back is not booked or posted from here any more: a difference to "
    "billing or the ERP stays until it is settled there or here."
)
# Said where something is asked for that the close would shut out.
ASKED = (
    "Decisions are asked for that would change these periods. What is approved after the close finds the period "
    "closed: it is not booked there, or becomes a case. Decide on them first:"
)
# Said where a close leaves something behind.
LEFT = (
    "Not all is done in these periods. What is under way is still posted, if the ERP takes it, and so is what the ERP "
    "may hold already. All that waits as a case finds the period closed when it is replayed, also a blocked journal "
    "that has its number. It then needs the period reopened, or another day: by re-dating, a reversal by being asked "
    "for anew. Either needs a second person."
)


class MoveForm(forms.Form):
    change_reason = reason_field(required=True)


def _action(verb: str) -> Any:
    title = MOVES[verb][0]

    @admin.action(description=f"{title}…", permissions=[verb.replace("-", "_")])
    def begin(self: Any, request: HttpRequest, chosen: Any) -> HttpResponse:
        asked = {"ids": ",".join(str(each) for each in chosen.values_list("pk", flat=True))}
        if request.GET:
            # The list as it was searched and filtered, to come back to.
            asked["list"] = request.GET.urlencode()
        return redirect(f"{reverse('admin:ledger_fiscalperiod_move', args=[verb])}?{urlencode(asked)}")

    begin.__name__ = verb.replace("-", "_")
    return begin


@admin.register(FiscalPeriod)
class FiscalPeriodAdmin(ImportedAdmin):
    resource_classes = [FiscalPeriodRows]
    list_display = ("name", "entity", "subledger", "state_shown", "fiscal_year", "starts_on", "last_day")
    list_filter = ("state", "entity", "subledger", "fiscal_year")
    list_select_related = ("entity",)
    search_fields = ("name", "entity__code")
    autocomplete_fields = ("entity",)
    readonly_fields = ("state_shown",)
    actions = [_action("soft-close"), _action("close"), _action("reopen")]
    change_form_template = "admin/period_form.html"

    def get_ordering(self, request: HttpRequest) -> Any:
        """The month that runs comes first, then those before it; what is to come stands after them."""
        ahead = models.Case(models.When(starts_on__gt=clock.today(), then=1), default=0)
        return (ahead, "-starts_on", "entity", "subledger")

    @admin.display(description="State", ordering="state")
    def state_shown(self, period: FiscalPeriod) -> str:
        return format_html('<span class="state {}">{}</span>', period.state, period.state.replace("_", " "))

    @admin.display(description="Last day", ordering="ends_on")
    def last_day(self, period: FiscalPeriod) -> dt.date:
        return period.ends_on - dt.timedelta(days=1)

    def formfield_for_dbfield(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        found = super().formfield_for_dbfield(db_field, request, **kwargs)
        if db_field.name == "starts_on":
            found.label = "First day"
        if db_field.name == "ends_on":
            found.label = "First day after it"
        return found

    def has_soft_close_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ledger.close_period")

    has_close_permission = has_soft_close_permission

    def has_reopen_permission(self, request: HttpRequest) -> bool:
        return request.user.has_perm("ledger.reopen_period")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """What is not open is moved, by its buttons, and not edited; the database refuses it as well."""
        return (obj is None or obj.state == "open") and super().has_change_permission(request, obj)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """The database keeps every record that has a state."""
        return False

    def get_urls(self) -> list[Any]:
        move = self.admin_site.admin_view(self.move)
        return [path("move/<slug:verb>/", move, name="ledger_fiscalperiod_move"), *super().get_urls()]

    def render_change_form(self, request: HttpRequest, context: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        period = context.get("original")
        if period is not None:
            context["kept"] = "" if period.state == "open" else _spoken(period)
            context["asked"] = asked = decisions.asked_to_reopen(period) if period.state != "open" else None
            context["asked_by"] = rights.called(asked.requested_by) if asked else ""
            context["moves"] = [
                {"title": title, "href": f"{reverse('admin:ledger_fiscalperiod_move', args=[verb])}?ids={period.pk}"}
                for verb, (title, right, sources, _, _) in MOVES.items()
                if period.state in sources and request.user.has_perm(right) and not (asked and verb == "reopen")
            ]
        return super().render_change_form(request, context, *args, **kwargs)

    def changes_below(self, rows: Sequence[Any]) -> dict[Any, list[dict[str, str]]]:
        """Of each closing, what it left open as whoever closed it was told."""
        left = {row.pk: _in_one_line(row.left_open) for row in rows if row.left_open}
        return {version: [{"field": "Left open", "new": text}] for version, text in left.items()}

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """With every request that it be reopened, whatever became of it: a refused one moves nothing."""
        period = self.get_object(request, object_id)
        asked = decisions.reopenings(request.user, period) if period is not None else []
        told = [{"one": one, "by": _called(one.requested_by), "decided_by": _called(one.decided_by)} for one in asked]
        return super().history_view(request, object_id, {**(extra_context or {}), "requests": told})

    def move(self, request: HttpRequest, verb: str) -> HttpResponse:
        """Ask why, then move each period; those in another state are named and left alone."""
        if verb not in MOVES:
            raise Http404
        title, right, sources, act, meaning = MOVES[verb]
        require(request.user, right)
        chosen = self._chosen(request)
        # Parsed and written anew, so that nothing but a query comes of it.
        query = QueryDict(request.GET.get("list", "")).urlencode()
        back = f"{reverse('admin:ledger_fiscalperiod_changelist')}{f'?{query}' if query else ''}"
        fits = [period for period in chosen if period.state in sources]
        if not fits:
            self._nothing(request, title, chosen)
            return redirect(back)
        form = MoveForm(request.POST or None)
        if form.is_valid():
            since = clock.now()
            if act is None:
                self._asked(request, chosen, form.cleaned_data["change_reason"])
                return redirect(back)
            moved = self._moved(request, chosen, act, form.cleaned_data["change_reason"])
            announce(request, moved, since)
            return redirect(back)
        context = {
            **self.admin_site.each_context(request), "title": f"{title} {count(len(fits), 'period')}", "form": form,
            "opts": self.opts, "lead": meaning, "button": title, "back": back, "besides": _besides(chosen, fits),
        }  # fmt: skip
        if act is None:
            context["items"] = [_waiting(request.user, period) for period in fits]
            return TemplateResponse(request, "admin/ask.html", context)
        return TemplateResponse(request, "admin/close_periods.html", context | _left_behind(request, fits))

    def _nothing(self, request: HttpRequest, title: str, chosen: list[FiscalPeriod]) -> None:
        """None of them is in a state that this begins in."""
        self.message_user(request, f"There is nothing to {title.lower()}: {_states_of(chosen)}", messages.WARNING)

    def _chosen(self, request: HttpRequest) -> list[FiscalPeriod]:
        try:
            ids = [each for each in request.GET.get("ids", "").split(",") if each]
            found = list(self.get_queryset(request).filter(pk__in=ids).order_by("starts_on", "entity", "subledger"))
        except (ValueError, forms.ValidationError):
            raise Http404 from None
        if not found:
            raise Http404
        return found

    def _asked(self, request: HttpRequest, chosen: list[FiscalPeriod], why: str) -> None:
        for period in chosen:
            try:
                decisions.ask_to_reopen(request.user, period, why)
            except NotPossible as error:
                self.message_user(request, f"{error.text}: nothing was asked", messages.WARNING)
            else:
                self.log_change(request, period, f"asked to reopen: {why}")
                said = '{} stays {} until a second person approves: <a href="{}">Approvals</a>'
                self.message_user(request, format_html(said, period.key, _spoken(period), reverse("approvals")))

    def _moved(self, request: HttpRequest, chosen: list[FiscalPeriod], act: Any, why: str) -> list[FiscalPeriod]:
        moved = []
        left = left_open.of_each(request.user, chosen)
        for period in chosen:
            try:
                act(period, by=name_of(request.user), why=why, left=left[period.pk])
            except (TransitionNotAllowed, ConcurrentTransition):
                period.refresh_from_db()
                self.message_user(request, f"{period.key} is {_spoken(period)}: it was left alone", messages.WARNING)
            else:
                moved.append(period)
                self.log_change(request, period, f"{_spoken(period)}: {why}")
        if moved:
            verb = "is" if len(moved) == 1 else "are"
            self.message_user(request, f"{count(len(moved), 'period')} {verb} {_spoken(moved[0])}")
        return moved


def _called(user: Any) -> str:
    return rights.called(user) if user is not None else ""


def _besides(chosen: list[FiscalPeriod], fits: list[FiscalPeriod]) -> str:
    """Those of the chosen that are in another state: they are named, and not counted with the others."""
    left = [period for period in chosen if period not in fits]
    return f"Left alone: {_states_of(left)}." if left else ""


def _states_of(found: list[FiscalPeriod]) -> str:
    told = ", ".join(f"{period.key} is {_spoken(period)}" for period in found[:5])
    return f"{told}, and {len(found) - 5} more" if len(found) > 5 else told


def _waiting(user: Any, period: FiscalPeriod) -> str:
    """One period that is about to be reopened, with what waits for that, and what is open in it."""
    found = reopening.of(user, period)
    waits = [_held(found.waiting, "waiting for it"), _held(found.next, "that would meet it next")]
    said = format_html("{}: {}", period.key, _spoken(period))
    if any(waits):
        said = format_html("{}, {}", said, format_html_join(", and ", "{}", [(each,) for each in waits if each]))
    return format_html("{}. {}", said, _in_one_line("\n".join(found.left)))


def _held(held: reopening.Held, how: str) -> str:
    """1 case waiting for it, with the way to it; empty for none."""
    href = links.to("queue", tab="all", q=held.query)
    return format_html('<a href="{}">{} {}</a>', href, count(held.cases, "case"), how) if held.cases else ""


def _in_one_line(left: str) -> str:
    return dates("; ".join(left.splitlines()))


def _left_behind(request: HttpRequest, chosen: list[FiscalPeriod]) -> dict[str, Any]:
    """What is not done in the periods about to be closed, each with the way to it; nothing forbids the close."""
    found = close.standing(request.user, chosen)
    return {"standing": [_row(request, one) for one in found], "left": LEFT if any(o.unfinished for o in found) else "",
            "given_up": GIVEN_UP if any(o.given_up for o in found) else "",
            "asked": ASKED if any(one.asked for one in found) else "", "approvals": links.to("approvals"),
            "decided": any(one.decided for one in found),
            "not_read": not_read.of_billing() if any(one.has_flow for one in found) else [],
            "unplaced": story.unplaced(unread.unplaced(request.user))}  # fmt: skip


def _row(request: HttpRequest, one: close.Standing) -> dict[str, Any]:
    entries = ""
    if request.user.has_perm("ledger.view_journalentry"):
        asked = {"period__id__exact": str(one.period.pk), "state": close.NOT_POSTED}
        entries = links.to("admin:ledger_journalentry_changelist", **asked)
    differences = links.to("differences", one.period.entity.code, one.period.name)
    return {
        "period": one.period, "state": _spoken(one.period), "cases": one.cases,
        "sums": apart(one.case_sums, one.case_credits), "reasons": one.reasons,
        "queue": links.to("queue", tab="all", q=one.query),
        "not_posted": one.not_posted, "under_way": one.under_way,
        "came": one.unbooked.invoices, "came_sums": by_sign(one.unbooked.sums), "told": _told(one),
        **_credits(one), "given_up": story.rows_of(one.given_up) if one.given_up else [],
        "differences": differences,
        "ties_out": differences if one.has_flow and request.user.has_perm("q2c.view_step") else "",
        "asked": asked_for.rows(one.asked), "decided": decided.rows(one.decided),
        "journals": one.journals, "journals_href": entries,
        "journal_sums": apart(one.journal_sums, one.journal_credits),
    }  # fmt: skip


def _told(one: close.Standing) -> str:
    """How many of the open cases are about what the other columns count, so that nobody adds the two up."""
    here, journals = one.unbooked.cases_here, one.unbooked.cases_of_journals
    said = [f"{number(here)} about what is still to be booked"] if here else []
    said += [f"{number(journals)} about journals not posted"] if journals else []
    said += [f"{number(one.cases_differing)} about differences to billing"] if one.cases_differing else []
    said += [f"{number(one.cases_asked)} asked for, not decided"] if one.cases_asked else []
    return f"Of them {listed(said)}" if said and one.cases else ""


def _credits(one: close.Standing) -> dict[str, Any]:
    """What billing is still to credit of cancelled orders, and where they are."""
    due = one.credits or credits_due.Due()
    href = links.to("order", due.order_id) if due.orders == 1 else links.to("orders", state="cancelled")
    said = f"Credits of {count(due.orders, 'cancelled order')}, about, net" if due.orders else ""
    return {"credits": said, "credits_href": href, "credit_sums": by_currency(due.sums)}


def _spoken(period: FiscalPeriod) -> str:
    return str(period.state).replace("_", " ")
