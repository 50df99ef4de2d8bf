"""CSV in and out: the preview, what is wrong with a row, the reason, all or nothing."""

from __future__ import annotations

import csv
import html
import io
import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from exceptions.models import Offer, Policy
from ledger.models import Account, DimensionRule, FiscalPeriod, FxRate, LegalEntity, PostingRule
from q2c.admin.master import ImportedAdmin
from q2c.models import Connection, Customer, ItemMapping, Product
from tests.admin.forms import said
from tests.admin.test_pages import MODELS, admin
from tests.engine import makers
from tests.past_guards import reopened

pytestmark = pytest.mark.django_db
IMPORTED = [model for model in MODELS if isinstance(admin.site._registry[model], ImportedAdmin)]


def address(model, page):
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{page}")


def preview(client, model, text):
    content = text if isinstance(text, bytes) else text.encode()
    upload = SimpleUploadedFile("rows.csv", content, content_type="text/csv")
    return client.post(address(model, "import"), {"format": "0", "resource": "0", "import_file": upload})


def confirm(client, model, page, reason="Price list 2027"):
    form = {name: value for name, value in page.context["confirm_form"].initial.items() if value is not None}
    return client.post(address(model, "process_import"), {**form, "change_reason": reason}, follow=True)


def exported(client, model):
    fields = dict.fromkeys(_export_fields(client, model), "on")
    answer = client.post(address(model, "export"), {"format": "0", "resource": "0", **fields})
    assert "attachment" in answer.get("Content-Disposition", ""), answer.context["form"].errors
    return list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))


def _export_fields(client, model):
    page = client.get(address(model, "export"))
    return [name for name in page.context["form"].fields if name not in {"format", "resource", "export_items"}]


def test_a_new_row_and_a_changed_one(browser, busy):
    client = browser("Finance systems")
    page = preview(client, Product, "code,name,kind,revenue_treatment,active\nPLATFORM,Platform X,recurring,ratable_daily,1\n"
                   "SETUP,Set-up,one_time,point_in_time,yes\n")  # fmt: skip
    assert [row.import_type for row in page.context["result"].valid_rows()] == ["update", "new"]
    assert "Confirm import" in page.content.decode()
    assert not Product.objects.filter(code="SETUP").exists()
    done = confirm(client, Product, page)
    assert "1 new, 1 updated" in said(done)[0]
    changed, made = Product.objects.get(code="PLATFORM"), Product.objects.get(code="SETUP")
    assert (changed.name, changed.tax_code, made.kind) == ("Platform X", "SW056000", "one_time")
    for product in (changed, made):
        last = product.history.first()
        assert (last.history_change_reason, last.history_user) == ("Price list 2027", client.user)


def test_without_a_reason_nothing_is_imported(browser, busy):
    client = browser()
    page = preview(client, Product, "code,name,kind,revenue_treatment\nNEW,New,one_time,point_in_time\n")
    again = confirm(client, Product, page, reason="")
    assert "Say why" in again.content.decode()
    assert not Product.objects.filter(code="NEW").exists()


BAD = [
    (Product, "code,name,kind,revenue_treatment\nP,Name,lease,point_in_time\n", 1, "kind", "not a valid choice"),
    (Product, "code,name,kind,revenue_treatment,active\nA,A,usage,usage_as_billed,1\nP,N,usage,usage_as_billed,maybe\n",
     2, "active", "write 1 or 0"),
    (ItemMapping, "product,connection,item,effective_from\nNOPE,erp-de,X,2026-01-01\n", 1, "product",
     "There is no product NOPE: add it first"),
    (ItemMapping, 'product,connection,item,effective_from,dimensions\nPLATFORM,erp-de,X,2026-01-01,"{"\n', 1,
     "dimensions", "Not JSON"),
    (Account, "entity,code,name,type\nXX,4000,Sales,revenue\n", 1, "entity", "There is no legal entity XX"),
    (DimensionRule, "dimension,account,account_type,requirement,effective_from\ncost_center,US01/0,,required,2026-01-01\n",
     1, "account", "There is no account US01/0"),
    (FxRate, "from_currency,to_currency,kind,on,rate\nEUR,QQQ,spot,2026-01-01,1.1\n", 1, "to_currency", "ISO 4217"),
    (FxRate, "from_currency,to_currency,kind,on,rate\nEUR,USD,spot,someday,1.1\n", 1, "on", "valid date"),
    (FxRate, "from_currency,to_currency,kind,on,rate\nEUR,USD,spot,03/04/2026,1.1\n", 1, "on", "2026-01-31"),
    (FxRate, 'from_currency,to_currency,kind,on,rate\nEUR,USD,spot,2026-03-04,"1,1"\n', 1, "rate", "a point"),
    (Connection, "name,title,vendor,service,base_url\nx,X,acme,crm,https://x.example\n", 1, "vendor", "there are salesforce"),
    (Connection, "name,title,vendor,service,base_url\nx,X,zuora,crm,https://x.example\n", 1, "service", "serves billing"),
    (Connection, "name,title,vendor,service,base_url\nx,X,zuora,billing,http://x.example\n", 1, "base_url", "https://"),
    (Connection, 'name,title,vendor,service,base_url,options\nx,X,zuora,billing,https://x.example,"{""poll_from"": ""Mars""}"\n',
     1, "options", "write an instant"),
    (LegalEntity, "code,name,functional_currency,country,timezone\nFR01,France,EUR,FR,Mars\n", 1, "timezone",
     "not a time zone"),
]  # fmt: skip


@pytest.mark.parametrize(("model", "text", "row", "field", "words"), BAD, ids=[f"{b[0].__name__}-{b[3]}" for b in BAD])
def test_a_bad_row_is_named_with_its_field_and_the_remedy(browser, busy, model, text, row, field, words):
    page = preview(browser(), model, text)
    assert "confirm_form" not in page.context
    (invalid,) = page.context["result"].invalid_rows
    assert invalid.number == row
    assert words in " ".join(invalid.field_specific_errors[field])
    assert words in page.content.decode()


def test_all_mistakes_of_a_row_are_told_at_once(browser, busy):
    """Whether or not one of them is in its key."""
    heading = "from_currency,to_currency,kind,on,rate\n"
    page = preview(
        browser("Finance systems"),
        FxRate,
        f"{heading}EUR,USD,spot,yesterday,much\nEUR,USD,sport,2026-01-05,-1\nEUR,USD,sport,yesterday,\n",
    )
    wrong = {(one.row, one.column) for one in page.context["result"].wrong}
    assert wrong == {(1, "on"), (1, "rate"), (2, "kind"), (2, "rate"), (3, "on"), (3, "kind"), (3, "rate")}


def test_what_a_row_says_of_a_record_that_is_not_known_is_told_with_that(browser, busy):
    """A product and a cost centre that nobody knows, an item that the ledger does not have, an end before the begin."""
    busy["erp-de"].missing.add(("item", "P-9"))
    heading = "product,connection,item,effective_from,effective_to,dimensions\n"
    cells = 'erp-de,P-9,2027-01-01,2026-01-01,"{""cost_center"": ""CC-999""}"\n'
    page = preview(browser("Finance systems"), ItemMapping, f"{heading}NOPE,{cells}PLATFORM,{cells}")
    wrong = {(one.row, one.column): one.what for one in page.context["result"].wrong}
    columns = ("item", "effective_to", "dimensions")
    assert set(wrong) == {(1, "product"), *((row, column) for row in (1, 2) for column in columns)}
    assert "Cost center has no value CC-999" in wrong[1, "dimensions"]
    assert {wrong[1, column] == wrong[2, column] for column in columns} == {True}


def test_mistakes_stand_as_text_with_row_column_and_remedy(browser, busy):
    text = (
        "entity,subledger,name,fiscal_year,starts_on,ends_on\nDE01,receivable,2029-01,2029,2029-01-01,2029-02-01\n"
        "DE01,general,2029-01,2029,2029-01-01,2029-02-01\nDE01,revenue,2029-01,x,01/02/2029,2029-02-01\n"
    )
    page = preview(browser(), FiscalPeriod, text).content.decode()
    assert "3 mistakes in 2 rows" in page and "validation-error" not in page
    table = page[page.index('class="cards import-wrong"') :]
    rows = [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in table.split("</tr>")[1:4]]
    assert rows == [
        "Row 1 subledger receivable Value 'receivable' is not a valid choice. One of: receivables, revenue, general",
        "Row 3 fiscal_year x 'x' is not a whole number",
        "Row 3 starts_on 01/02/2029 '01/02/2029' is not a valid date: write it like 2026-01-31",
    ]


@pytest.mark.parametrize(
    ("model", "words"),
    [(FiscalPeriod, "no longer counts: 2026-12-01 for a period whose last day is 2026-11-30"),
     (ItemMapping, "2026-12-01 for one that last holds on 2026-11-30"), (Product, "One of: one_time, recurring, usage")],
)  # fmt: skip
def test_the_import_says_what_its_columns_mean(browser, busy, model, words):
    assert words in browser().get(address(model, "import")).content.decode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("code,name,colour\nP,N,red\n", "Unknown columns: colour"),
        ("name,kind\nN,usage\n", "Missing columns: code"),
        ("", "No valid data"),
        ("code;name\nP;N\n", "save the file as CSV with commas"),
        ("code;name\nP;N, M\n", "save the file as CSV with commas"),
        ("code,name\nP-1,N\nP-2,Müller\n".encode("latin-1"), "Line 3 is not in UTF-8 (P-2,M"),
        ("code,name\nP-2,Müller\n".encode("latin-1"), "CSV UTF-8 (Comma delimited)"),
        ("code,name\nP,N\n".encode("utf-16"), "save the file as CSV in UTF-8"),
    ],
)
def test_a_file_that_does_not_fit(browser, busy, text, words):
    page = preview(browser(), Product, text or b" ")
    assert words in page.content.decode()
    assert "Traceback" not in page.content.decode()


NULS = ["code,name,kind,revenue_treatment\nP\0Q,N,usage,usage_as_billed\n", "code,na\0me,kind\nP,N,usage\n",
        "code,name,kind,revenue_treatment\nP,N\0,usage,usage_as_billed\n", "\0"]  # fmt: skip


@pytest.mark.parametrize("text", NULS, ids=["in a key", "in a heading", "in a name", "alone"])
def test_a_nul_character_in_a_file_is_named(browser, busy, text):
    client, before = browser(), Product.objects.count()
    page = preview(client, Product, text)
    assert (page.status_code, "confirm_form" in page.context) == (200, False)
    assert "nul character" in page.content.decode().lower()
    assert Product.objects.count() == before


def test_what_stopped_fitting_between_preview_and_confirmation_imports_nothing(browser, busy):
    client = browser()
    text = "product,connection,item,effective_from\nPLATFORM,erp-us,P-2,2027-01-01\nOTHER,erp-us,P-3,2027-01-01\n"
    other = Product.objects.create(code="OTHER", name="O", kind="usage", revenue_treatment="usage_as_billed")
    page = preview(client, ItemMapping, text)
    other.delete()
    done = confirm(client, ItemMapping, page)
    assert "Nothing was imported" in said(done)[0]
    assert "There is no product OTHER" in done.content.decode()
    assert not ItemMapping.objects.filter(item="P-2").exists()


def test_files_of_spreadsheets_begin_with_a_mark(browser, busy):
    page = preview(browser(), Customer, "\ufeffkey,name\nC-5,Søren & Co\n".encode())
    assert [row.import_type for row in page.context["result"].valid_rows()] == ["new"]


@pytest.mark.parametrize("model", IMPORTED, ids=[model.__name__ for model in IMPORTED])
def test_what_is_exported_can_be_imported_and_changes_nothing(browser, busy, model):
    client = browser()
    rows = exported(client, model)
    if not rows:
        pytest.skip("there is none of these in the company")
    assert len(rows) == model.objects.count()
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0].keys())
    writer.writeheader()
    writer.writerows(rows)
    result = preview(client, model, out.getvalue()).context["result"]
    assert (result.has_errors(), result.has_validation_errors()) == (False, False), (
        [(row.number, row.error) for row in result.invalid_rows], result.row_errors(), result.base_errors,
    )  # fmt: skip
    assert {row.import_type for row in result.valid_rows()} == {"skip"}, [row.diff for row in result.valid_rows()][:3]


def test_a_spreadsheet_runs_no_formula_of_ours(browser, busy):
    Customer.objects.create(key="C-9", name="=cmd|' /C calc'!A0")
    names = [row["name"] for row in exported(browser(), Customer)]
    assert "=cmd|' /C calc'!A0" not in names
    assert len(names) == Customer.objects.count()


@pytest.mark.parametrize(
    ("role", "model", "imports", "exports"),
    [("Auditor", Product, False, True), ("Sales ops", Product, True, True), ("Sales ops", ItemMapping, False, True),
     ("Controller", FxRate, True, True)],
)  # fmt: skip
def test_importing_needs_the_rights_to_add_and_change(browser, busy, role, model, imports, exports):
    client = browser(role)
    assert client.get(address(model, "import")).status_code == (200 if imports else 403)
    assert client.post(address(model, "process_import"), {}).status_code == (200 if imports else 403)
    assert client.get(address(model, "export")).status_code == (200 if exports else 403)


@pytest.mark.django_db(transaction=True)
def test_an_import_says_what_it_lets_through(browser, busy):
    FxRate.objects.filter(from_currency="EUR", to_currency="USD").delete()
    makers.issue("INV-9", makers.order("ORD-9"))
    from ledger.models import FiscalPeriod

    period = FiscalPeriod.objects.get(entity__code="DE01", subledger="receivables", name="2026-10")
    reopened(period, by="cleo", why="late")
    makers.run_all()
    client = browser("Controller")
    page = preview(client, FxRate, "from_currency,to_currency,kind,on,rate\nEUR,USD,spot,2026-10-01,1.10\n")
    done = confirm(client, FxRate, page)
    offer = Offer.objects.filter(blocker_type="fx_rate", state="open").first()
    assert offer is not None, (said(done), list(Offer.objects.values()))
    assert any(offer.headline.rstrip(".") in text for text in said(done)), said(done)


def period_rows(state):
    return f"entity,subledger,name,fiscal_year,starts_on,ends_on,state\nDE01,receivables,2027-01,2027,2027-01-01,2027-02-01,{state}\n"


def test_a_year_of_periods_comes_from_a_file_and_their_state_does_not(browser, busy):
    client = browser("Controller")
    done = confirm(client, FiscalPeriod, preview(client, FiscalPeriod, period_rows("")))
    assert "1 new" in said(done)[0]
    assert FiscalPeriod.objects.get(entity__code="DE01", name="2027-01").state == "open"
    for state in ("closed", "nonsense"):
        page = preview(client, FiscalPeriod, period_rows(state))
        (invalid,) = page.context["result"].invalid_rows
        assert "ask to reopen" in " ".join(invalid.field_specific_errors["state"])


def test_policies_are_changed_by_a_file_and_not_made(browser, busy):
    client = browser("Controller")
    rows = exported(client, Policy)
    row = next(each for each in rows if each["reason"] == "period_closed") | {"service_level_h": "7"}
    text = io.StringIO()
    writer = csv.DictWriter(text, row.keys())
    writer.writeheader()
    writer.writerow(row)
    confirm(client, Policy, preview(client, Policy, text.getvalue()))
    assert Policy.objects.get(reason="period_closed").service_level_h == 7
    page = preview(client, Policy, text.getvalue().replace("period_closed", "bad_weather"))
    assert "There is no reason bad_weather" in page.content.decode()


RULE = "rule_set,name,version,leg,tax_code,effective_from,lines\n"
LINES = '[{""position"": 90, ""measure"": ""tax"", ""side"": ""credit"", ""account_role"": ""tax_payable""}]'


def test_rules_come_with_their_lines(browser, busy):
    client = browser("Finance systems")
    text = f'{RULE}primary,Cloud levy,1,tax,LEVY,2027-01-01,"{LINES}"\n'
    confirm(client, PostingRule, preview(client, PostingRule, text))
    rule = PostingRule.objects.get(name="Cloud levy")
    line = rule.lines.get()
    assert (line.side, line.account_role, line.grouping) == ("credit", "tax_payable", "line")
    assert line.history.get().history_change_reason == "Price list 2027"
    confirm(client, PostingRule, preview(client, PostingRule, text.replace("credit", "debit")))
    assert rule.lines.get().side == "debit"
    for there, wrong, words in (
        ("tax_payable", "tax:{weather}", "No such placeholder"),
        ('""measure"": ""tax"", ', "", "Missing in a line: measure"),
        ("[{", "[[", "Not JSON"),
    ):
        (invalid,) = preview(client, PostingRule, text.replace(there, wrong)).context["result"].invalid_rows
        assert words in " ".join(invalid.field_specific_errors["lines"])


def test_a_rule_that_has_booked_is_ended_by_a_file_and_not_changed(browser, busy):
    client = browser("Finance systems")
    booked = next(r for r in exported(client, PostingRule) if PostingRule.objects.get(
        rule_set=r["rule_set"], name=r["name"], version=r["version"]).used_at)  # fmt: skip

    def sent(**changes):
        text = io.StringIO()
        writer = csv.DictWriter(text, booked.keys())
        writer.writeheader()
        writer.writerow({**booked, **changes})
        return preview(client, PostingRule, text.getvalue())

    for name, value in (("lines", "[]"), ("kind", "usage")):
        (invalid,) = sent(**{name: value}).context["result"].invalid_rows
        assert "has booked entries and is frozen" in " ".join(invalid.field_specific_errors[name])
    confirm(client, PostingRule, sent(effective_to="2030-01-01"))
    ended = PostingRule.objects.get(rule_set=booked["rule_set"], name=booked["name"], version=booked["version"])
    assert (str(ended.effective_to), ended.lines.exists()) == ("2030-01-01", True)


def test_a_connection_goes_out_and_comes_in_without_its_secrets(browser, busy):
    ours = Connection.objects.create(
        name="erp-fr", title="NetSuite", vendor="netsuite", service="journals", base_url="https://1.suitetalk.example",
        credentials={"token_secret": "s3cr3t-of-the-erp"}, options={"subsidiaries": {"US01": "1"}},
    )  # fmt: skip
    client = browser()
    (row,) = [row for row in exported(client, Connection) if row["name"] == "erp-fr"]
    assert "credentials" not in row and "s3cr3t" not in str(row)
    text = "name,title,vendor,service,base_url,time_limit_s,concurrency,settle_s,active\n"
    text += "erp-fr,NetSuite,netsuite,journals,https://1.suitetalk.example/,7.5,4,30,0\n"
    text += "erp-uk,NetSuite UK,netsuite,journals,https://2.suitetalk.example,10,4,30,1\n"
    confirm(client, Connection, preview(client, Connection, text), reason="New account")
    ours.refresh_from_db()
    assert (ours.base_url, ours.time_limit_s, ours.active) == ("https://1.suitetalk.example", 7.5, False)
    assert (ours.credentials, ours.options) == ({"token_secret": "s3cr3t-of-the-erp"}, {"subsidiaries": {"US01": "1"}})
    assert ours.history.first().history_change_reason == "New account"
    assert Connection.objects.get(name="erp-uk").credentials == {}


def test_secrets_never_come_in_a_file(browser, busy):
    page = preview(browser(), Connection, 'name,credentials\nerp-us,"{""token_secret"": ""x""}"\n')
    assert "Credentials never travel in a file" in page.content.decode()
    assert "confirm_form" not in page.context
