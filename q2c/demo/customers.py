"""Who buys: customers of every region, single ones and families of up to three levels. Names are made up, seeded."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(kw_only=True, slots=True)
class Account:
    """An account as the sales platform holds it."""

    key: str
    name: str
    region: str
    country: str
    address: tuple[str, str, str, str]  # street, city, state, postal code
    parent: str = ""
    pays_for_itself: bool = False
    below: list[Account] = field(default_factory=list)

    def seed(self) -> dict[str, object]:
        """As the Salesforce sandbox takes it."""
        street, city, state, postal_code = self.address
        return {
            "AccountNumber": self.key, "Name": self.name, "Parent": self.parent or None,
            "Pays_For_Itself__c": self.pays_for_itself, "Billing_Email__c": f"payables@{self.key.lower()}.example",
            "BillingCountry": self.country, "BillingState": state, "BillingCity": city,
            "BillingPostalCode": postal_code, "BillingStreet": street,
        }  # fmt: skip


# region → country and (city, state, postal code) of its places
PLACES: dict[str, tuple[tuple[str, str, str, str], ...]] = {
    "US": (
        ("US", "San Francisco", "CA", "94105"), ("US", "Denver", "CO", "80202"), ("US", "Atlanta", "GA", "30303"),
        ("US", "Chicago", "IL", "60601"), ("US", "Boston", "MA", "02108"), ("US", "New York", "NY", "10001"),
        ("US", "Austin", "TX", "78701"), ("US", "Seattle", "WA", "98101"),
    ),
    "AMER": (("CA", "Toronto", "ON", "M5H 2N2"), ("CA", "Vancouver", "BC", "V6C 1T4")),
    "DE": (
        ("DE", "Berlin", "", "10117"), ("DE", "Hamburg", "", "20095"), ("DE", "München", "", "80331"),
        ("DE", "Köln", "", "50667"),
    ),
    "EMEA": (("FR", "Lyon", "", "69002"), ("NL", "Utrecht", "", "3511 AD")),
    "UK": (("GB", "London", "", "EC2A 4NE"), ("GB", "Leeds", "", "LS1 4DY"), ("GB", "Bristol", "", "BS1 5TR")),
    "JP": (("JP", "Tokyo", "", "100-0005"), ("JP", "Osaka", "", "530-0001")),
    "APAC": (("AU", "Melbourne", "VIC", "3000"), ("AU", "Perth", "WA", "6000")),
}  # fmt: skip
_STREETS = {
    "US": "{n} Harbor Street", "AMER": "{n} Lakeshore Road", "DE": "Speicherstraße {n}", "EMEA": "Rue du Port {n}",
    "UK": "{n} Mill Lane", "JP": "Minato {n}-1", "APAC": "{n} Wharf Road",
}  # fmt: skip
_FIRST = (
    "Alder", "Amber", "Ashdown", "Birch", "Blackwater", "Brightline", "Calder", "Cedar", "Cinder", "Copperfield",
    "Coral", "Cranmere", "Delta", "Driftwood", "Eastgate", "Elmwood", "Ember", "Fairhaven", "Falcon", "Fenwick",
    "Garnet", "Glenmoor", "Granite", "Greyfriars", "Harrow", "Hawthorn", "Heron", "Highfield", "Ironbridge", "Juniper",
    "Kestrel", "Kingsway", "Larch", "Linden", "Lockwood", "Marlowe", "Meridian", "Moorland", "Northgate", "Oakhurst",
    "Orchard", "Osprey", "Pinecrest", "Quarry", "Ravensworth", "Redwood", "Ridgeway", "Rosewood", "Rowan", "Saltmarsh",
    "Sandpiper", "Seabrook", "Silverlake", "Skylark", "Stonebridge", "Summit", "Thornbury", "Tidewater", "Umber",
    "Verity", "Wessex", "Westbrook", "Whitmore", "Willow", "Windermere", "Wolds", "Yarrow", "Zephyr",
)  # fmt: skip
_TRADES = {
    "US": ("Logistics", "Foods", "Robotics", "Health", "Energy", "Freight", "Media", "Retail"),
    "AMER": ("Timber", "Mining", "Airways"),
    "DE": ("Maschinenbau", "Energie", "Logistik", "Pharma", "Anlagenbau"),
    "EMEA": ("Textiles", "Maritime", "Agro"),
    "UK": ("Insurance", "Railways", "Brewing", "Publishing"),
    "JP": ("Denki", "Seiki", "Kagaku", "Unyu"),
    "APAC": ("Resources", "Dairy", "Shipping"),
}
FORMS = {
    "US": "Inc.", "AMER": "Ltd.", "DE": "GmbH", "EMEA": "S.A.", "UK": "plc", "JP": "KK", "APAC": "Pty Ltd",
}  # fmt: skip
# Single customers of each region, and families by the regions of mother and daughters.
_SINGLES = {"US": 34, "AMER": 5, "DE": 16, "EMEA": 6, "UK": 13, "JP": 10, "APAC": 4}
_FAMILIES = (
    ("US", "DE"), ("US", "UK", "JP"), ("US", "DE", "UK"), ("US", "US"), ("DE", "EMEA"), ("UK", "US"), ("US", "APAC"),
    ("JP", "US"), ("US", "AMER", "DE"), ("DE", "UK"),
)  # fmt: skip


def accounts(scale: int = 1) -> list[Account]:
    """All accounts, mothers before daughters; `scale` makes so many times more."""
    chance = random.Random("accounts")  # noqa: S311
    names = _names(chance)
    found: list[Account] = []

    def add(region: str, name: str, parent: Account | None = None) -> Account:
        country, city, state, postal_code = chance.choice(PLACES[region])
        street = _STREETS[region].format(n=chance.randint(1, 180))
        account = Account(
            key=f"A-{10001 + len(found)}", name=name, region=region, country=country,
            address=(street, city, state, postal_code), parent=parent.key if parent else "",
        )  # fmt: skip
        found.append(account)
        return account

    for _ in range(scale):
        for region, count in _SINGLES.items():
            for _ in range(count):
                add(region, f"{next(names)} {chance.choice(_TRADES[region])} {FORMS[region]}")
        for mother_region, *others in _FAMILIES:
            first = next(names)
            mother = add(mother_region, f"{first} Holdings {FORMS[mother_region]}")
            above = mother
            for region in others:
                name = f"{first} {chance.choice(_TRADES[region])} {FORMS[region]}"
                daughter = add(region, name, above)
                # Daughters abroad pay for themselves; one at home leaves that to its mother.
                daughter.pays_for_itself = region != mother_region
                mother.below.append(daughter)
                above = daughter if len(others) > 1 and chance.random() < 0.5 else mother
    return found


def _names(chance: random.Random) -> Iterator[str]:
    """Each first name once, then in pairs."""
    yield from chance.sample(_FIRST, len(_FIRST))
    pairs = [f"{one} {two}" for one in _FIRST for two in _FIRST if one != two]
    yield from chance.sample(pairs, len(pairs))
