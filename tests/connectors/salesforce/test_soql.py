"""The sandbox's SOQL: what it reads, what it refuses, in the platform's words."""

from __future__ import annotations

import pytest

from q2c.connectors.salesforce.fields import Fields
from q2c.connectors.salesforce.sandbox import schema
from q2c.connectors.salesforce.sandbox.query import Runner
from q2c.connectors.salesforce.sandbox.soql import Compare, Junction, SoqlError, parse

TOP, ACME = schema.record_id("001", 1), schema.record_id("001", 2)
ROWS = {
    "Account": [
        {"Id": TOP, "Name": "Top", "ParentId": None},
        {"Id": ACME, "Name": "Acme", "ParentId": TOP},
    ],
    "Opportunity": [
        {"Id": f"0065g000000000{i}2AA", "Name": f"Deal {i}", "StageName": "Closed Won", "IsWon": i % 2 == 0,
         "Amount": str(i * 100), "CloseDate": f"2026-01-0{i}", "AccountId": ACME,
         "SystemModstamp": f"2026-01-0{i}T00:00:00.000+0000"}
        for i in range(1, 6)
    ],
    "OpportunityLineItem": [
        {"Id": "00k5g00000000013AA", "OpportunityId": "0065g00000000022AA", "Quantity": "2", "SortOrder": "2"},
        {"Id": "00k5g00000000023AA", "OpportunityId": "0065g00000000022AA", "Quantity": "1", "SortOrder": "1"},
    ],
    "Product2": [],
    "Task": [],
}  # fmt: skip


def load(name: str, field: str = "", values=(), since: str = ""):
    return [row for row in ROWS[name] if not field or row[field] in values]


def run(soql: str):
    return Runner(load, schema.find, "v61.0").run(parse(soql))


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("IsWon = true", [2, 4]),
        ("IsWon != true", [1, 3, 5]),
        ("SystemModstamp >= 2026-01-03T00:00:00Z", [3, 4, 5]),
        ("SystemModstamp > 2026-01-03T01:00:00+01:00", [4, 5]),
        ("CloseDate < 2026-01-03", [1, 2]),
        ("Amount <= 200", [1, 2]),
        ("Name IN ('deal 1', 'Deal 5')", [1, 5]),
        ("Name NOT IN ('Deal 1')", [2, 3, 4, 5]),
        ("Name LIKE '%4'", [4]),
        ("Account.Parent.Name = 'Top' AND (Amount = 100 OR Amount = 500)", [1, 5]),
        ("NOT Amount > 100", [1]),
        ("Amount = null", []),
        ("AccountId = '0015g0000000002'", [1, 2, 3, 4, 5]),
    ],
)
def test_where(where, numbers):
    assert [row["Name"] for row in run(f"SELECT Name FROM Opportunity WHERE {where} ORDER BY Name")] == [
        f"Deal {number}" for number in numbers
    ]


def test_rows_have_attributes_nulls_parents_and_children():
    soql = """SELECT id, amount, Description, Account.Parent.Name,
        (SELECT Quantity FROM OpportunityLineItems ORDER BY SortOrder)
        FROM Opportunity ORDER BY CloseDate DESC LIMIT 4"""
    rows = run(soql)
    assert [str(row["Amount"]) for row in rows] == ["500.0", "400.0", "300.0", "200.0"]
    assert rows[0]["Description"] is None
    assert rows[0]["OpportunityLineItems"] is None
    assert rows[0]["Account"]["Parent"]["Name"] == "Top"
    assert rows[0]["attributes"]["url"] == f"/services/data/v61.0/sobjects/Opportunity/{rows[0]['Id']}"
    children = rows[3]["OpportunityLineItems"]
    assert [str(each["Quantity"]) for each in children["records"]] == ["1.0", "2.0"]
    assert (children["totalSize"], children["done"]) == (2, True)


@pytest.mark.parametrize(
    ("soql", "code"),
    [
        ("SELECT Nope FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity WHERE Nope__c = 1", "INVALID_FIELD"),
        ("SELECT Account.Nope FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Owner.Name FROM Opportunity", "INVALID_FIELD"),
        ("SELECT Id FROM Nope", "INVALID_TYPE"),
        ("SELECT (SELECT Id FROM Nope) FROM Account", "INVALID_TYPE"),
        ("SELECT Id FROM", "MALFORMED_QUERY"),
        ("SELECT Id Opportunity", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity WHERE Name = 'x", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity WHERE Name = 'x' AND Name = 'y' OR Name = 'z'", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity WHERE Amount = '5'", "INVALID_FIELD"),
        ("SELECT Id FROM Opportunity LIMIT x", "MALFORMED_QUERY"),
        ("SELECT Id FROM Opportunity; DELETE", "MALFORMED_QUERY"),
    ],
)
def test_refusals(soql, code):
    with pytest.raises(SoqlError) as error:
        run(soql)
    assert error.value.code == code


def test_a_text_literal_is_read_with_its_escapes():
    query = parse(r"SELECT Id FROM Account WHERE Name = 'O\'Hara\\'")
    assert query.where == Compare("Name", "=", "O'Hara\\")


def test_the_connectors_own_queries_are_understood():
    fields = Fields.of({})
    query = parse(f"{fields.deal_query()} WHERE IsWon = true AND SystemModstamp >= 2026-01-01T00:00:00Z")
    assert isinstance(query.where, Junction)
    assert query.children[0].source == "OpportunityLineItems"
    assert len(run(fields.deal_query())) == 5
    assert len(run(fields.account_query())) == 2


def test_the_checksum_of_an_id():
    assert schema.long_id("a0D30000001n7Pi") == "a0D30000001n7PiEAI"
    assert len({schema.record_id("006", number) for number in range(5000)}) == 5000
