"""SubscriptionDocument → Zuora order. Pure: what Zuora cannot express is raised as Inexpressible.

One order per invoice group. Its first phase is a CreateSubscription action, each product of a later phase an
AddProduct action. No action carries a service activation date: the order stays pending until `activate` gives a
phase its date. Each charge ends on its own day, so a price or quantity that changes is a charge of its own.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from q2c import keys
from q2c.connectors.outcomes import Posted
from q2c.connectors.zuora import numbers
from q2c.contracts.documents import Address, SubscriptionCharge, SubscriptionDocument, UsageTerms
from q2c.money import Money

BILLING_PERIODS = {"monthly": "Month", "quarterly": "Quarter", "annual": "Annual"}
PRICE_BASES = {"month": ("Per_Month", 1), "year": ("Per_Year", 12)}
# As GET /v1/catalog/products names the models.
FLAT, PER_UNIT, TIERED, VOLUME = "FlatFee", "PerUnit", "Tiered", "Volume"

# (product, charge type, charge model, unit of measure of usage) → (productRatePlanId, productRatePlanChargeId), or
# Inexpressible. The unit is the catalog's: an order cannot name it.
Catalog = Callable[[str, str, str, str], tuple[str, str]]


class Inexpressible(ValueError):
    """The subscription has a meaning that Zuora's order has no place for.

    `product` where the catalog lacks it, and then `needed`: charge type/model/unit.
    """

    def __init__(self, text: str, field: str, product: str = "", needed: str = "") -> None:
        super().__init__(text)
        self.field, self.product, self.needed = field, product, needed


def order_body(
    document: SubscriptionDocument, key: str, catalog: Catalog, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The body of POST /v1/async/orders."""
    number = document.key
    phases: dict[int, list[SubscriptionCharge]] = {}
    for charge in sorted(document.charges, key=lambda each: (each.phase, each.line)):
        phases.setdefault(charge.phase, []).append(charge)
    if not phases:
        raise Inexpressible("the subscription has no charges", "charges")
    actions: list[dict[str, Any]] = []
    for phase, charges in phases.items():
        plans = [_rate_plan(document.currency, charge, catalog) for charge in charges]
        begins = document.starts_on if not actions else min(charge.starts_on for charge in charges)
        head = {
            "triggerDates": [{"name": "ContractEffective", "triggerDate": begins.isoformat()}],
            "customFields": {"Q2C_Phase__c": str(phase)},
        }
        if not actions:
            created = _created(document, plans, options)
            actions.append({"type": "CreateSubscription", **head, "createSubscription": created})
        else:
            actions.extend({"type": "AddProduct", **head, "addProduct": plan} for plan in plans)
    return {
        "orderDate": document.ordered_on.isoformat(),
        "existingAccountNumber": document.account,
        "orderNumber": numbers.order_number(number),
        "description": f"{document.order_number}, {document.group}",
        "customFields": {"Q2C_Key__c": key},
        "subscriptions": [
            {
                "subscriptionNumber": number,
                "customFields": {
                    "Q2C_Order__c": document.order_number,
                    "Q2C_Group__c": document.group,
                    "Q2C_Entity__c": document.legal_entity,
                },
                "orderActions": actions,
            }
        ],
        "processingOptions": {"runBilling": bool(options.get("run_billing", False)), "collectPayment": False},
    }


def cancel_body(account: str, subscription: str, on: dt.date, ordered_on: dt.date, key: str) -> dict[str, Any]:
    """The order that ends a subscription on a day."""
    return {
        "orderDate": ordered_on.isoformat(),
        "existingAccountNumber": account,
        "orderNumber": numbers.cancel_number(subscription),
        "customFields": {"Q2C_Key__c": key},
        "subscriptions": [
            {
                "subscriptionNumber": subscription,
                "orderActions": [
                    {
                        "type": "CancelSubscription",
                        "triggerDates": [
                            {"name": name, "triggerDate": on.isoformat()}
                            for name in ("ContractEffective", "ServiceActivation", "CustomerAcceptance")
                        ],
                        "cancelSubscription": {
                            "cancellationPolicy": "SpecificDate",
                            "cancellationEffectiveDate": on.isoformat(),
                        },
                    }
                ],
            }
        ],
        "processingOptions": {"runBilling": False, "collectPayment": False},
    }


def payment_term(days: int, options: Mapping[str, Any]) -> str:
    """The tenant's name of a payment term; options["payment_terms"] holds names that differ."""
    usual = "Due Upon Receipt" if days == 0 else f"Net {days}"
    return str(options.get("payment_terms", {}).get(str(days), usual))


def _created(document: SubscriptionDocument, plans: list[dict[str, Any]], options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "subscriptionOwnerAccountNumber": document.account,
        "currency": document.currency,
        # One invoice per subscription, that is per legal entity and region.
        "invoiceSeparately": True,
        "paymentTerm": payment_term(document.payment_term_days, options),
        "soldToContact": _contact(document.ship_to),
        "terms": {
            "autoRenew": False,
            "initialTerm": {
                "termType": "TERMED",
                "period": document.term_months,
                "periodType": "Month",
                "startDate": document.starts_on.isoformat(),
            },
        },
        "subscribeToRatePlans": plans,
    }


def _contact(address: Address) -> dict[str, str]:
    found = {
        "firstName": "Accounts",
        "lastName": "Payable",
        "country": address.country,
        "state": address.region,
        "city": address.city,
        "postalCode": address.postal_code,
        "address1": address.line1,
    }
    return {name: value for name, value in found.items() if value}


def inexpressible(charges: Sequence[SubscriptionCharge], currency: str) -> list[tuple[str, str]]:
    """(text, field) of each line that order_body() would refuse, whatever the catalog has."""
    found: dict[tuple[str, str], None] = {}
    for charge in charges:
        try:
            _rate_plan(currency, charge, lambda *_: ("", ""))
        except Inexpressible as error:
            found[str(error), error.field] = None
    return list(found)


def _rate_plan(currency: str, charge: SubscriptionCharge, catalog: Catalog) -> dict[str, Any]:
    charge_type, model, pricing = _pricing(currency, charge)
    unit = charge.usage.meter if charge.usage is not None and charge_type == "Usage" else ""
    plan_id, charge_id = catalog(charge.product, charge_type, model, unit)
    override: dict[str, Any] = {
        "productRatePlanChargeId": charge_id,
        "pricing": pricing,
        "startDate": {"triggerEvent": "ServiceActivation"},
        "customFields": {"Q2C_Line__c": str(charge.line), "Q2C_Phase__c": str(charge.phase)},
    }
    if charge.description:
        override["description"] = charge.description[:500]
    if charge_type != "OneTime":
        override["billing"] = _billing(charge)
        override["endDate"] = {
            "endDateCondition": "Specific_End_Date",
            "specificEndDate": charge.ends_on.isoformat(),
        }
    return {"productRatePlanId": plan_id, "chargeOverrides": [override]}


def _billing(charge: SubscriptionCharge) -> dict[str, Any]:
    billing = charge.billing
    if billing.frequency == "once":
        raise Inexpressible(f"line {charge.line} is {charge.kind} but billed once", f"lines/{charge.line}/billing")
    found: dict[str, Any] = {"billingPeriod": BILLING_PERIODS[billing.frequency]}
    if charge.kind == "recurring":
        found["billingTiming"] = billing.timing.upper()
    if billing.alignment == "calendar_month":
        return {
            **found,
            "billCycleType": "SpecificDayofMonth",
            "billCycleDay": 1,
            "billingPeriodAlignment": "AlignToCharge",
        }
    return {**found, "billCycleType": "SubscriptionStartDay", "billingPeriodAlignment": "AlignToSubscriptionStart"}


def _pricing(currency: str, charge: SubscriptionCharge) -> tuple[str, str, dict[str, Any]]:
    """Charge type, charge model and pricing. Whatever the discount, the charge comes to exactly amount_minor."""
    if charge.kind == "usage":
        return _usage_pricing(charge)
    amount = Money(charge.amount_minor, currency).decimal()
    quantity, price = charge.quantity, charge.unit_price
    if charge.kind == "one_time":
        if quantity * price == amount:
            listed = {"listPrice": numbers.plain(price), "quantity": numbers.plain(quantity)}
            return "OneTime", PER_UNIT, {"oneTimePerUnit": listed}
        return "OneTime", FLAT, {"oneTimeFlatFee": {"listPrice": numbers.plain(amount)}}
    if not (months := charge.months):
        text = f"line {charge.line} runs {charge.starts_on} to {charge.ends_on}, which is no whole number of months"
        raise Inexpressible(text, f"lines/{charge.line}/phases")
    base, base_months = PRICE_BASES.get(charge.price_period, ("", 0))
    if base and quantity * price * months == amount * base_months:
        terms = {"listPrice": numbers.plain(price), "quantity": numbers.plain(quantity), "listPriceBase": base}
        return "Recurring", PER_UNIT, {"recurringPerUnit": terms}
    # A discount, or a price for the whole phase: the amount itself, said for as many months as it is for.
    flat = {
        "listPrice": numbers.plain(amount),
        "listPriceBase": "Per_Specific_Months",
        "specificListPriceBase": months,
    }
    return "Recurring", FLAT, {"recurringFlatFee": flat}


def _usage_pricing(charge: SubscriptionCharge) -> tuple[str, str, dict[str, Any]]:
    usage = charge.usage
    field = f"lines/{charge.line}/usage"
    if usage is None or not usage.tiers:
        raise Inexpressible(f"line {charge.line} has no usage terms", field)
    volume = usage.model == "volume"
    if volume and Decimal(usage.included_quantity):
        raise Inexpressible(f"line {charge.line}: volume tiers with an included quantity", field)
    listed = {"tiers": _tiers(charge, usage), "ratingGroup": "ByBillingPeriod"}
    if volume:
        return "Usage", VOLUME, {"usageVolume": listed}
    return "Usage", TIERED, {"usageTiered": listed}


def _tiers(charge: SubscriptionCharge, usage: UsageTerms) -> list[dict[str, Any]]:
    """Zuora's tiers count from the first unit, ours from the first that is not included: they are moved up."""
    included = Decimal(usage.included_quantity)
    tiers: list[dict[str, Any]] = []
    start = Decimal(0)
    if included:
        tiers.append(_tier(1, start, included, "PerUnit", Decimal(0)))
        start = included
    for tier in usage.tiers:
        fee, price = Decimal(tier.flat_fee), Decimal(tier.unit_price)
        if fee and price:
            text = f"line {charge.line}: a tier with both a unit price and a flat fee"
            raise Inexpressible(text, f"lines/{charge.line}/usage/tiers")
        end = None if tier.up_to is None else Decimal(tier.up_to) + included
        tiers.append(_tier(len(tiers) + 1, start, end, "FlatFee" if fee else "PerUnit", fee or price))
        start = end if end is not None else start
    return tiers


def _tier(number: int, start: Decimal, end: Decimal | None, price_format: str, price: Decimal) -> dict[str, Any]:
    found: dict[str, Any] = {
        "tier": number,
        "startingUnit": numbers.plain(start),
        "priceFormat": price_format,
        "price": numbers.plain(price),
    }
    return found if end is None else {**found, "endingUnit": numbers.plain(end)}


def business_facts(order: Mapping[str, Any]) -> Any:
    """What of an order must be equal for two to be the same, from our body or from GET /v1/orders/{number}."""
    subscriptions = []
    for subscription in order.get("subscriptions") or []:
        actions = [_action_facts(action) for action in subscription.get("orderActions") or []]
        fields = subscription.get("customFields") or {}
        named = {name: fields.get(name) for name in ("Q2C_Order__c", "Q2C_Group__c", "Q2C_Entity__c")}
        subscriptions.append({"number": subscription.get("subscriptionNumber"), "fields": named, "actions": actions})
    return numbers.same({"account": order.get("existingAccountNumber"), "subscriptions": subscriptions})


def print_of(order: Mapping[str, Any]) -> str:
    """A short print of what must be equal, to be kept with the handle of a job."""
    return hashlib.sha256(keys.canonical(business_facts(order))).hexdigest()[:24]


def posted(order: Mapping[str, Any], searched_at: dt.datetime, *, found: bool) -> Posted:
    subscription = order["subscriptions"][0]["subscriptionNumber"]
    compared = {"facts": print_of(order), "at": searched_at.isoformat()}
    proof = {"found_at": searched_at.isoformat(), "compared": compared, "status": order.get("status")}
    return Posted(reference=str(subscription), document=str(order["orderNumber"]), found=found, proof=proof)


# What a price, a tier, a term and a way of billing are made of; what Zuora adds of its own says nothing about ours.
_PRICE = ("listPrice", "quantity", "listPriceBase", "specificListPriceBase")
_TIER = ("tier", "startingUnit", "endingUnit", "priceFormat", "price")
_TERM = ("termType", "period", "periodType", "startDate")
_CANCEL = ("cancellationPolicy", "cancellationEffectiveDate")


def _action_facts(action: Mapping[str, Any]) -> dict[str, Any]:
    created = action.get("createSubscription") or {}
    plans = created.get("subscribeToRatePlans") or created.get("subscribeToProducts") or []
    plans = plans or ([action["addProduct"]] if action.get("addProduct") else [])
    effective = [
        each.get("triggerDate") for each in action.get("triggerDates") or [] if each.get("name") == "ContractEffective"
    ]
    return {
        "type": action.get("type"),
        "effective": effective,
        "charges": [_charge_facts(override) for plan in plans for override in plan.get("chargeOverrides") or []],
        "terms": _some((created.get("terms") or {}).get("initialTerm"), _TERM),
        "currency": created.get("currency"),
        "cancel": _some(action.get("cancelSubscription"), _CANCEL),
    }


def _charge_facts(override: Mapping[str, Any]) -> dict[str, Any]:
    pricing = {name: terms for name, terms in (override.get("pricing") or {}).items() if terms}
    billing = override.get("billing") or {}
    on_a_day = billing.get("billCycleType") == "SpecificDayofMonth"
    return {
        "charge": override.get("productRatePlanChargeId"),
        "pricing": {
            name: {**_some(terms, _PRICE), "tiers": [_some(tier, _TIER) for tier in terms.get("tiers") or []]}
            for name, terms in pricing.items()
        },
        "period": billing.get("billingPeriod"),
        "day": billing.get("billCycleDay") if on_a_day else None,
        "timing": billing.get("billingTiming") if any(name.startswith("recurring") for name in pricing) else None,
        "ends": (override.get("endDate") or {}).get("specificEndDate"),
    }


def _some(given: Mapping[str, Any] | None, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: (given or {}).get(name) for name in names}


def phase_actions(order: Mapping[str, Any], subscription: str, phase: int) -> list[dict[str, Any]]:
    """The actions of an order that begin a phase, as GET /v1/orders gives them."""
    return [
        action
        for each in order.get("subscriptions") or []
        if each.get("subscriptionNumber") == subscription
        for action in each.get("orderActions") or []
        if str((action.get("customFields") or {}).get("Q2C_Phase__c")) == str(phase)
    ]


def activation_of(action: Mapping[str, Any]) -> str:
    """The service activation date of an action; empty while it has none."""
    dates = action.get("triggerDates") or []
    return next((str(each.get("triggerDate") or "") for each in dates if each.get("name") == "ServiceActivation"), "")


def dates_body(subscription: str, sequences: list[int], on: dt.date) -> dict[str, Any]:
    """The body of PUT /v1/orders/{number}/triggerDates; acceptance too, for tenants that ask for it."""
    dates = [{"name": name, "triggerDate": on.isoformat()} for name in ("ServiceActivation", "CustomerAcceptance")]
    actions = [{"sequence": sequence, "triggerDates": dates} for sequence in sequences]
    return {"subscriptions": [{"subscriptionNumber": subscription, "orderActions": actions}]}


def cancellation_dates(order: Mapping[str, Any], subscription: str) -> set[str]:
    return {
        str((action.get("cancelSubscription") or {}).get("cancellationEffectiveDate") or "")
        for each in order.get("subscriptions") or []
        if each.get("subscriptionNumber") == subscription
        for action in each.get("orderActions") or []
        if action.get("type") == "CancelSubscription"
    }
