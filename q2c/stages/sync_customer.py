"""sync_customer: each account an order needs exists once in billing and in the ledgers, parent before child."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from msgspec.structs import replace

from ledger.models import LegalEntity
from q2c import clock
from q2c.connectors.outcomes import Lookup, Outcome, Posted
from q2c.contracts.documents import Address, CustomerDocument
from q2c.contracts.events import CustomerSynced
from q2c.models import CrossReference, Customer, Order, Step
from q2c.models.step import OPEN
from q2c.reasons import Reason
from q2c.stages import orders, platforms
from q2c.stages.controls.world import customers
from q2c.stages.verb import Fact, OpenPort, Part, Verb, Work


class SyncCustomer(Verb):
    """One step per platform and account; the order key is the platform and the top of the hierarchy.

    One that failed holds what lies below it and nothing beside it: these share a key of their own.
    """

    writes = True

    def plan(self, facts: Sequence[Fact]) -> list[list[Part]]:
        ids = [fact.payload.order_id for fact in facts]
        found = {str(o.id): o for o in Order.objects.filter(id__in=ids).prefetch_related("groups")}
        known = customers({g.bill_to for o in found.values() for g in o.groups.all()})
        billing = platforms.serving("billing")
        erps = dict(LegalEntity.objects.values_list("code", "erp_connection"))
        stuck = _stuck()
        return [self._parts(found[fact.payload.order_id], known, billing, erps, stuck) for fact in facts]

    def _parts(
        self, order: Order, known: dict[str, Customer], billing: str, erps: dict[str, str], stuck: Collection[str]
    ) -> list[Part]:
        parts: dict[str, Part] = {}
        for group in order.groups.all():
            for key in reversed(_lineage(group.bill_to, known)):
                above = _lineage(key, known)
                accounts = [orders.account_key(one, group.currency) for one in above]
                erp = erps.get(group.entity, "")
                # Without a billing connection the step is made all the same, so that a person hears of it.
                for connection, names in [(billing, accounts), *([(erp, above)] if erp else [])]:
                    part = Part(
                        part=_part_of(connection, names[0]),
                        connection=connection,
                        order_key=next(
                            (held for name in reversed(names) if (held := _below(connection, name)) in stuck),
                            f"customer:{connection}:{above[-1]}",
                        ),
                        business_key=order.number,
                        customer=known[key].name if key in known else key,
                        entity=group.entity,
                        currency=group.currency,
                        amount_minor=group.total_minor,
                    )
                    parts.setdefault(part.part, part)
        return list(parts.values())

    def prepare(self, works: Sequence[Work]) -> None:
        names = [_account(work) for work in works]
        billing = platforms.serving("billing")
        for work in works:
            work.step.connection = work.step.connection or billing
        there = {
            (ref.connection, ref.our_key): ref
            for ref in CrossReference.objects.filter(
                kind="customer", connection__in={w.step.connection for w in works}, our_key__in=names
            )
        }
        known = customers(
            _customer_key(name) if work.step.connection == billing else name
            for work, name in zip(works, names, strict=True)
        )
        above = {
            (customer.parent_key, work.step.currency)
            for work, name in zip(works, names, strict=True)
            if (customer := known.get(_customer_key(name))) and customer.parent_key
        }
        parents = orders.accounts_there(billing, above, by="reference")
        for work, name in zip(works, names, strict=True):
            found = there.get((work.step.connection, name))
            if not work.step.connection:
                work.reject(
                    Reason.PLATFORM_UNAVAILABLE, "No billing connection is active", seen=name,
                    remedy="Connect the billing platform, then replay",
                )  # fmt: skip
            elif found is not None:
                work.outcome = Posted(reference=found.reference, document=found.document, found=True)
            else:
                is_billing = work.step.connection == billing
                work.request = _in_billing(work, name, known, parents) if is_billing else _document(work, known[name])
                if work.step.connection != billing:
                    # An ERP holds a customer under the customer's own key.
                    work.step.proof["key"] = work.request.key

    def call(self, open_port: OpenPort, work: Work) -> Outcome:
        return open_port(work.step.connection).put_customer(work.request, work.step.key)

    def look_up(self, open_port: OpenPort, work: Work) -> Lookup:
        return open_port(work.step.connection).find_customer(work.request, work.step.key)

    def record(self, works: Sequence[Work]) -> None:
        moment = clock.now()
        CrossReference.objects.bulk_create(
            [
                CrossReference(
                    connection=work.step.connection, kind="customer", our_key=_account(work),
                    reference=work.outcome.reference, document=work.outcome.document, at=moment,
                )
                for work in works
                if isinstance(work.outcome, Posted)
            ],
            ignore_conflicts=True,
        )  # fmt: skip
        for work in works:
            fact = work.fact.payload
            work.emit(
                "CustomerSynced",
                CustomerSynced(
                    order_id=fact.order_id,
                    order_number=fact.order_number,
                    connection=work.step.connection,
                    account=_account(work),
                ),
            )

    def failed(self, works: Sequence[Work]) -> None:
        """Those that wait behind it and lie below it go on doing so; siblings do not."""
        for work in works:
            connection, account = work.step.connection, _account(work)
            behind = Step.objects.filter(order_key=work.step.order_key, state="waiting", seq__gt=work.step.seq)
            waiting = dict(behind.exclude(order_key="").values_list("id", "part"))
            billing = connection == platforms.serving("billing")
            known = customers(_customer_of(part, is_billing=billing) for part in waiting.values())
            below = [id_ for id_, part in waiting.items() if account in _accounts_to_top(part, known, billing)]
            Step.objects.filter(id__in=[work.step.id, *below]).update(order_key=_below(connection, account))


def _below(connection: str, account: str) -> str:
    return f"customers below:{connection}:{account}"[:160]


def _stuck() -> set[str]:
    """Order keys of what failed, and of what waits behind that."""
    open_ = Step.objects.filter(stage="sync_customer", state__in=OPEN, order_key__startswith="customers below:")
    return set(open_.values_list("order_key", flat=True))


def _customer_of(part: str, *, is_billing: bool) -> str:
    account = part.split("|", 1)[1]
    return _customer_key(account) if is_billing else account


def _accounts_to_top(part: str, known: dict[str, Customer], is_billing: bool) -> list[str]:
    """The account of a part and all above it, as its platform names them."""
    lineage = _lineage(_customer_of(part, is_billing=is_billing), known)
    if not is_billing:
        return lineage
    currency = part.rpartition("-")[2]
    return [orders.account_key(key, currency) for key in lineage]


def under_way(wanted: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
    """Of these (connection, account): those that are being made there now, and are not there from another order."""
    parts = {_part_of(connection, account): (connection, account) for connection, account in wanted}
    open_ = Step.objects.filter(
        stage="sync_customer", connection__in={connection for connection, _ in wanted}, part__in=parts,
        state__in=("waiting", "running", "accepted", "unknown"),
    )  # fmt: skip
    found = {parts[part] for part in open_.values_list("part", flat=True)}
    if found:
        there = CrossReference.objects.filter(kind="customer", our_key__in={account for _, account in found})
        found -= set(there.values_list("connection", "our_key"))
    return found


def _part_of(connection: str, account: str) -> str:
    return f"{connection}|{account}"


def _account(work: Work) -> str:
    return work.step.part.split("|", 1)[1]


def _customer_key(account: str) -> str:
    """The customer behind an account key, which in billing ends in its currency."""
    head, _, tail = account.rpartition("-")
    return head if head and len(tail) == 3 and tail.isupper() else account


def _lineage(key: str, known: dict[str, Customer]) -> list[str]:
    """The key and all above it; the controls have refused loops."""
    found: list[str] = []
    while key and key not in found:
        found.append(key)
        key = known[key].parent_key if key in known else ""
    return found


def _in_billing(
    work: Work, account: str, known: dict[str, Customer], parents: dict[tuple[str, str], str]
) -> CustomerDocument:
    customer = known[_customer_key(account)]
    return replace(
        _document(work, customer),
        key=orders.account_number(customer.key, work.step.currency),
        parent=parents[customer.parent_key, work.step.currency] if customer.parent_key else None,
    )


def _document(work: Work, customer: Customer) -> CustomerDocument:
    return CustomerDocument(
        key=customer.key,
        name=customer.name,
        parent=customer.parent_key or None,
        currency=work.step.currency,
        legal_entity=work.step.entity,
        address=Address(**customer.address) if customer.address else None,
        email=customer.email,
        crm_id=customer.key,
    )
