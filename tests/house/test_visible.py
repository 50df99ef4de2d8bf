"""Records of the flow reach pages and the API by visible_to; what is read past it stands here, with its reason."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from django.apps import apps

from tests.house.test_tidy import sources

# Where pages and the API read. The rest of exceptions acts on cases, and its verbs take the user.
ROOMS = (
    "q2c/api/", "q2c/ui/", "q2c/reading/", "q2c/trace.py", "exceptions/tabs.py", "exceptions/search.py",
    "exceptions/search_values.py", "exceptions/tallies.py",
)  # fmt: skip
FLOW = {
    "Approval", "Attempt", "CancelledInvoice", "Case", "CaseEvent", "ChargeSegment", "CrossReference", "Event",
    "Fetched", "Invoice", "InvoiceLine", "JournalEntry", "JournalLine", "LatestRead", "Offer", "Order", "OrderGroup",
    "OrderLine", "Problem", "ProblemAmount", "Redating", "ReplayBatch", "ReplayItem", "Step", "Subscription",
    "Transition",
}  # fmt: skip
# Reason → the functions that it holds for.
PAST_IT = {
    "parts and history of a record that was reached by visible_to, or the step and event that it is about": """
        q2c/ui/acting.py _about
        q2c/ui/approvals.py _after_refusal
        q2c/ui/case.py case
        q2c/ui/case.py _item
        q2c/ui/case.py progress
        q2c/ui/case_actions.py _close
        q2c/ui/case_views.py _event
        q2c/ui/case_views.py _beside
        q2c/ui/case_views.py _history
        q2c/ui/cause.py _products
        q2c/ui/ending.py _taken_back
        q2c/ui/ending.py redated
        q2c/ui/problems.py _blocked
        q2c/ui/story.py _given_up
        q2c/ui/story.py _opened
        q2c/reading/approvals.py _reversing
        q2c/reading/billing_has.py _event
        q2c/reading/coming.py _given_up
        q2c/reading/given_up.py _taken_back
        q2c/reading/given_up.py _unposted
        q2c/reading/given_up_before.py _steps
        q2c/reading/given_up_before.py deciders
        q2c/reading/invoice.py whole
        q2c/reading/invoice.py _documents
        q2c/reading/journal.py whole
        q2c/reading/late_reversals.py of
        q2c/reading/order.py whole
        q2c/reading/parties.py of_invoices
        q2c/reading/parties.py invoices_of
        q2c/reading/what_stays.py _steps
    """,
    "its view asks for the right to view calls": "q2c/ui/case_views.py _attempts",
    "that billing is not read is no secret of any record, and none is shown": "q2c/reading/not_read.py of_billing",
    "a condition of a query that begins with visible_to": """
        q2c/reading/accounts.py orders_of
        q2c/reading/accounts.py _invoices
        q2c/reading/accounts.py _blocked
        q2c/reading/cut_orders.py sums
        q2c/reading/followed.py _next
        q2c/reading/given_up.py of_order
        q2c/reading/given_up.py _redated
        q2c/reading/invoices.py found
        q2c/reading/invoices.py called
        q2c/reading/journals.py _called
        q2c/reading/unbooked.py came
        q2c/reading/unbooked.py _counts_elsewhere
    """,
    "what it finds is narrowed by visible_to, or by the right to view cases, before it is shown": """
        q2c/trace.py _by_reference
        q2c/reading/accounts.py named
        q2c/reading/recorded_otherwise.py _changed
        q2c/reading/recorded_otherwise.py _of_taken_back
        q2c/reading/unread_of_booked.py of
    """,
    "sums, and the right is asked before": "q2c/reading/steps.py stopped_worth",
    "whoever signs, or works on a case, reads in its words what billing and the books have of the same document": """
        q2c/reading/billing_beside.py of_case
        q2c/reading/billing_beside.py of_unposted
        q2c/reading/billing_beside.py _of_events
        q2c/reading/billing_now.py of_invoice
        q2c/reading/billing_now.py next_version
        q2c/reading/billing_now.py invoice_of
        q2c/reading/billing_now.py booked_by
        q2c/reading/billing_now.py _is_asked
        q2c/reading/credited.py waiting
        q2c/reading/in_books.py _views
        q2c/reading/in_books.py _booked
        q2c/reading/invoice.py _tie
        q2c/reading/reversed_items.py _turns
        q2c/reading/unread.py is_one
        q2c/reading/what_stays.py _told_again
        q2c/reading/what_stays.py _of_unreadable
        q2c/reading/what_stays.py _newest_of
        q2c/reading/what_stays.py _known
    """,
    "where a button of a case or problem leads, by its number; the page there asks for its own right": """
        q2c/ui/cause.py _credited
        q2c/ui/cause.py _its_cases
        q2c/ui/cause.py handed_over
    """,
}


def past_it(node: ast.AST, within: str = "") -> Iterator[tuple[str, str]]:
    """(function, model): each `Model.objects.…` of a record of the flow that does not begin with visible_to."""
    for child in ast.iter_child_nodes(node):
        name = child.name if isinstance(child, ast.FunctionDef) else within
        if isinstance(child, ast.Attribute) and child.attr not in ("visible_to", "none"):
            manager = child.value
            if isinstance(manager, ast.Attribute) and manager.attr in ("objects", "_default_manager", "_base_manager"):
                model = ast.unparse(manager.value).rpartition(".")[2]
                if model in FLOW:
                    yield name, model
        yield from past_it(child, name)


def test_what_pages_and_the_api_read_is_what_the_user_may_see() -> None:
    assert {model.__name__ for model in apps.get_models()} >= FLOW
    rooms = [(path, ast.parse(text)) for path, text in sources(tests=False) if path.startswith(ROOMS)]
    found = {f"{path} {function}": model for path, tree in rooms for function, model in past_it(tree)}
    allowed = {line.strip() for places in PAST_IT.values() for line in places.strip().splitlines()}
    unexplained = {place: f"{model}.objects.visible_to(user)" for place, model in found.items() if place not in allowed}
    assert not unexplained, "Write this instead, or tell in PAST_IT why every reader may see it"
    assert not allowed - found.keys(), "Nothing is read past visible_to there any more: take these lines out"


def test_a_read_past_it_is_found() -> None:
    read = "def page(user):\n    seen = Case.objects.visible_to(user)\n    return [*seen, *models.Case.objects.all()]"
    assert list(past_it(ast.parse(read))) == [("page", "Case")]
