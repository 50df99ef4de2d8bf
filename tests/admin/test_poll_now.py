"""A person who wants a source polled now does not wait for the end of its pause."""

from __future__ import annotations

import pytest
from django.urls import reverse

from q2c import clock
from q2c.models import Breaker, Connection, PollCursor
from tests.admin.forms import said

pytestmark = pytest.mark.django_db


def test_a_poll_that_is_wanted_now_does_not_wait_or_says_why(browser):
    """The platform wants fewer calls until tomorrow; then it is silent; then it is not in use."""
    crm = Connection.objects.create(
        name="crm", title="Sales", vendor="salesforce", service="crm", base_url="sandbox://salesforce"
    )
    cursor = PollCursor.objects.create(connection="crm", reached=clock.now())
    client, asked = browser("Platform engineer"), {"action": "poll_now", "_selected_action": [crm.pk]}

    def told():
        PollCursor.objects.update(not_before=clock.now() + clock.days(1), pauses=7)
        (text,) = said(client.post(reverse("admin:q2c_connection_changelist"), asked, follow=True))
        cursor.refresh_from_db()
        return text, cursor.not_before is None, cursor.pauses

    assert told() == (f"{crm.called} is polled now: the control tower says when, or why not", True, 7)
    Breaker.objects.create(connection="crm", opened_at=clock.now(), probe_at=clock.now())
    assert told()[:2] == (
        f"{crm.called} is not polled: it does not answer. It is tried every few seconds, and polled once it answers again",
        False,
    )
    Connection.objects.filter(pk=crm.pk).update(active=False)
    assert told()[:2] == (f"{crm.called} is not polled: it is not active", False)
    Connection.objects.filter(pk=crm.pk).update(service="tax")
    assert told()[:2] == (f"{crm.called} is not polled: only sales and billing platforms are", False)


def test_a_new_connection_is_not_in_use_before_it_was_tried(browser):
    form = browser("Platform engineer").get(reverse("admin:q2c_connection_add")).context["adminform"].form
    assert form["active"].value() is False
