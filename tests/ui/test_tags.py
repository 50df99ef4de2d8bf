"""The tags of the pages: what they say, to eyes, ears and machines."""

from __future__ import annotations

import datetime as dt
import re
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Template
from django.template.exceptions import TemplateSyntaxError

from q2c import clock
from q2c.money import Money
from q2c.ui import charts, maps, payload, words
from q2c.ui.parts import (
    Change,
    Credits,
    JournalLine,
    JournalPreview,
    Point,
    Progress,
    Stage,
    apart,
    by_currency,
    by_sign,
    changes,
)

NOON = dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC)


def drawn(source: str, rf, **values) -> str:
    address = values.pop("address", "/queue")
    request = rf.get(address)
    request.user = values.pop("user", AnonymousUser())
    return Template(source).render(Context({"request": request, "csrf_token": "token", **values}))


@pytest.mark.parametrize(
    "name", sorted({s for road in words.ROADS.values() for s in road} | {s for _, s in words.SIDES})
)
def test_every_state_on_a_road_has_its_own_word_tone_and_icon(name):
    look = words.look(name)
    assert look.icon != "circle", f"{name} is not in words.py"
    assert look.tone in words.TONES


@pytest.mark.parametrize(
    "look", sorted({*words._COMMON.values(), *words._OF_NOUN.values()}, key=str), ids=lambda x: x.label
)
def test_every_icon_exists(look, rf):
    assert "<svg" in drawn("{% icon name %}", rf, name=look.icon)


@pytest.mark.parametrize(("noun", "state"), sorted(words.SIDES))
def test_a_side_state_is_drawn_within_the_picture(noun, state):
    """“Reversed” leaves at the last station; to the right of it there is no room for a word."""
    drawn = charts.road(noun, state)
    width = int(re.search(r'width="(\d+)"', drawn)[1])
    side, x = re.search(r'class="(beside|before)" x="(\d+)"', drawn).groups()
    label = words.look(state, noun).label
    reach = 7 * len(label)
    assert int(x) >= reach if side == "before" else int(x) + reach <= width


def test_sides_leave_from_their_own_road():
    for (noun, side), left_at in words.SIDES.items():
        assert left_at in words.ROADS[noun] and side not in words.ROADS[noun]


def test_every_state_of_every_record_has_a_look():
    from q2c import states

    for model in states.records():
        for state in states.states(model):
            assert words.look(state, model._meta.model_name).icon != "circle", f"{model.__name__}.{state}"


@pytest.mark.parametrize(
    ("noun", "state", "said"),
    [
        ("order", "provisioning", "Provisioning, step 3 of 5. Next: Active."),
        ("order", "cancelled", "Cancelled after Accepted, step 2 of 5."),
        ("journal", "blocked", "Blocked after Posting, step 3 of 4."),
        ("invoice", "paid", "Paid, step 5 of 5."),
        ("step", "unknown", "Outcome unknown, step 2 of 3. Next: Done."),
    ],
)
@pytest.mark.parametrize("small", [True, False])
def test_the_road_says_where_a_record_is_and_what_comes_next(noun, state, said, small):
    assert f"<title>{said}</title>" in charts.road(noun, state, small=small)


@pytest.mark.parametrize(
    ("hours", "tone", "text"), [(-2, "bad", "2 h late"), (2, "warn", "2 h left"), (30, "plain", "1 d 6 h left")]
)
def test_time_left_is_told_in_words_and_tone(rf, hours, tone, text):
    with clock.at(NOON):
        html = drawn("{% left due %}", rf, due=NOON + dt.timedelta(hours=hours))
    assert f"tone-{tone}" in html and text in html


def test_a_paused_clock_says_why(rf):
    with clock.at(NOON):
        assert "Paused: waits for the customer" in drawn('{% left due paused="waits for the customer" %}', rf, due=NOON)


def test_a_journal_shows_both_sides_and_whether_they_balance(rf):
    lines = [JournalLine("1200", "Receivables", debit_minor=11900), JournalLine("4000", "Revenue", credit_minor=10000)]
    out = drawn("{% journal p %}", rf, p=JournalPreview("EUR", lines))
    assert "Out of balance" in out and "+19" in out
    lines.append(JournalLine("1776", "<b>VAT", credit_minor=1900))
    out = drawn("{% journal p %}", rf, p=JournalPreview("EUR", lines))
    assert "Balanced" in out and "&lt;b&gt;VAT" in out


def test_differences_keep_old_and_new(rf):
    found = changes({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 4, "d": 5})
    assert found == [Change("b", 2, 4), Change("c", 3, None), Change("d", None, 5)]
    assert [c.kind for c in found] == ["changed", "removed", "added"]
    html = drawn("{% diff items %}", rf, items=found)
    assert "<del>2</del>" in html and "<ins>4</ins>" in html
    assert "No difference" in drawn("{% diff items %}", rf, items=[])


def test_charges_and_credits_stand_apart(rf):
    sums = by_sign([(712_166, "USD"), (-4_368_621, "USD"), (-1, "EUR"), (500, "JPY"), (-500, "JPY")])
    assert sums == [
        Money(712_166, "USD"), Credits(-4_368_621, "USD"), Money(500, "JPY"), Credits(-500, "JPY"), Credits(-1, "EUR"),
    ]  # fmt: skip
    assert apart([(0, "JPY")], [(-500, "JPY")]) == apart([], [(-500, "JPY")]) == sums[2:4]
    assert apart([(7, "EUR")], []) == [Money(7, "EUR")] and apart([], []) == []
    said = re.sub(r"<[^>]*>", " ", drawn("{% amounts sums %}", rf, sums=sums))
    assert re.sub(r"\s+", "", said).startswith("USD7,121.66USD−43,686.21ofcreditsJPY500JPY−500ofcredits")


def test_amounts_are_never_added_across_currencies(rf):
    sums = by_currency([(100, "EUR"), (250, "EUR"), (-900, "USD"), (1, "JPY")])
    assert sums == [Money(-900, "USD"), Money(350, "EUR"), Money(1, "JPY")]
    assert "and 1 more" in drawn("{% amounts sums most=2 %}", rf, sums=sums)


@pytest.mark.parametrize(
    "document",
    [None, "", "no json", b"\xff\xfe", "[1, 2", {}, [], {"a": {"b": [1, None, True, "x"]}}, "[" * 3000, [[]] * 500],
    ids=lambda d: repr(d)[:12],
)
def test_any_document_can_be_looked_at(rf, document):
    assert "payload" in drawn("{% payload document %}", rf, document=document)


def test_a_deep_document_ends_somewhere():
    deep: list = []
    for _ in range(200):
        deep = [deep]
    assert payload.tree(deep).count("<details") <= payload.DEPTH_MAX


def test_a_document_from_outside_is_escaped(rf):
    html = drawn("{% payload document %}", rf, document={"<script>": "<img onerror=x>"})
    assert "<script>" not in html and "<img" not in html


def test_a_long_list_says_how_many_are_left_out():
    assert "300 more; the raw text has them all" in payload.tree(list(range(500)))


def test_the_current_order_turns_round_and_drops_the_place(rf):
    html = drawn('{% sort "amount" "Amount" "number" %}', rf, address="/queue?q=a&order=amount&after=xyz")
    assert 'aria-sort="ascending"' in html and "order=-amount" in html and "q=a" in html and "after" not in html
    html = drawn('{% sort "amount" "Amount" %}', rf, address="/queue")
    assert "aria-sort" not in html and "order=amount" in html


def test_the_pager_keeps_the_filter(rf):
    page = SimpleNamespace(next="n1", previous="p1", total=1204)
    html = drawn("{% pager page %}", rf, address="/queue?q=entity:DE&after=old", page=page)
    assert "?q=entity%3ADE&amp;after=n1" in html and "?q=entity%3ADE&amp;before=p1" in html and "1,204 in all" in html
    assert drawn("{% pager page %}", rf, page=SimpleNamespace(next="", previous="", total=3)).strip() == ""


def test_the_query_bar_keeps_what_it_does_not_hold(rf):
    html = drawn('{% query_bar complete="/c" %}', rf, address="/queue?q=%22%3E%3Cb%3E&order=-age&after=x")
    assert 'name="order" value="-age"' in html and "after" not in html and "<b>" not in html


@pytest.mark.django_db
def test_a_button_without_its_right_says_which_is_missing(rf, django_user_model):
    person = django_user_model.objects.create_user("mia")
    html = drawn('{% button "Replay" right="exceptions.replay_case" key="y" %}', rf, user=person)
    assert 'aria-disabled="true"' in html and "Can replay a case" in html and "exceptions.replay_case" in html
    assert "data-key" not in html and 'type="submit"' not in html
    told = re.search(r'aria-describedby="([^"]+)"', html)
    assert told and f'id="{told.group(1)}"' in html


def test_a_button_with_a_wrong_option_is_refused(rf):
    with pytest.raises((ImproperlyConfigured, TemplateSyntaxError)):
        drawn('{% button "Replay" colour="red" %}', rf)


def test_a_dialog_is_a_real_form_with_its_token_and_reason(rf):
    html = drawn(
        '{% dialog "r" "Replay" action="/replay" reason="required" %}<p>{{ n }}</p>{% enddialog %}', rf, n="<1>"
    )
    assert 'method="post"' in html and 'action="/replay"' in html and 'value="token"' in html
    assert 'name="reason"' in html and "required" in html and "&lt;1&gt;" in html


def test_progress_asks_again_until_it_is_finished(rf):
    running = Progress("Replay", 10, 3, url="/p", cancel_url="/stop", state="running")
    assert 'hx-get="/p"' in drawn("{% progress w %}", rf, w=running)
    done = Progress("Replay", 10, 10, url="/p", cancel_url="/stop", state="confirmed")
    html = drawn("{% progress w %}", rf, w=done)
    assert "hx-get" not in html and "Stop" not in html


def test_charts_have_a_title_and_a_table_behind(rf):
    points = [Point("1 Nov", 3, also=1), Point("2 Nov", 0)]
    html = drawn('{% columns points "Cases" value_name="Resolved" also_name="Opened" %}', rf, points=points)
    assert 'aria-label="Cases"' in html and html.count("<tr>") == 3
    assert "No data" in drawn('{% columns points "Cases" %}', rf, points=[])
    assert "highest 9" in drawn('{% sparkline v "Trend" %}', rf, v=[1, 9, 4])
    assert "no trend" in drawn('{% sparkline v "Trend" %}', rf, v=[1])


@pytest.mark.parametrize("values", [[0, 0, 0], [10**15, 1], [5] * 400])
def test_charts_stand_extreme_values(values):
    for html in (charts.sparkline(values, "t"), charts.columns([Point(str(i), v) for i, v in enumerate(values)], "t")):
        assert "<svg" in html and "nan" not in html.lower()


def test_the_flow_shows_count_amount_and_oldest(rf):
    with clock.at(NOON):
        stage = Stage(
            "Orders", (("done", 1200), ("failed", 4)), [Money(5_000_000, "EUR")], NOON - dt.timedelta(hours=3)
        )
        html = drawn("{% flow stages %}", rf, stages=[stage, Stage("Cash")])
    assert "1,204" in html and "50k" in html and "3 h" in html and "Nothing on the way" in html


def test_no_tag_writes_a_style(rf):
    html = charts.road("order", "rejected") + maps.process_map([maps.Box("a", "a", href="/x")], "t")
    assert " style=" not in html + drawn("{% icon 'search' %}", rf)
