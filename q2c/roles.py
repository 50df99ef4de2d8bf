"""Roles: what people of each kind may do. Installed after migrate as Django groups that an administrator may change.

A role that exists is left as it is; `install(reset=True)` (manage.py install_roles --reset) puts its
rights back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from django.contrib.auth.models import Group, Permission

# What everybody who works here may read.
_READ = (
    "q2c.view_event", "q2c.view_step", "q2c.view_attempt", "q2c.view_order", "q2c.view_invoice",
    "q2c.view_subscription", "q2c.view_customer", "q2c.view_product", "q2c.view_listprice", "q2c.view_itemmapping",
    "q2c.view_taxnexus", "q2c.view_crossreference", "q2c.view_connection", "q2c.view_commercialpolicy",
    "ledger.view_journalentry",
    "ledger.view_legalentity", "ledger.view_fiscalperiod", "ledger.view_account", "ledger.view_dimension",
    "ledger.view_dimensionvalue", "ledger.view_dimensionrule", "ledger.view_postingrule", "ledger.view_fxrate",
    "exceptions.view_case", "exceptions.view_problem", "exceptions.view_policy", "exceptions.view_team",
)  # fmt: skip
# What stands in for a platform is used as the platform is: by everybody who has work there.
_WORK = (
    "q2c.use_sandbox", "exceptions.work_case", "exceptions.replay_case", "exceptions.close_case",
)  # fmt: skip
_BULK = (*_WORK, "exceptions.bulk_replay")


def _edit(*models: str) -> tuple[str, ...]:
    """The rights to add and change records of these models ("q2c.customer")."""
    parts = [name.split(".") for name in models]
    return tuple(f"{app}.{verb}_{model}" for app, model in parts for verb in ("add", "change"))


ROLES: dict[str, tuple[str, ...]] = {
    "Sales ops": (
        *_READ, *_WORK, *_edit("q2c.customer", "q2c.product"), "q2c.cancel_order",
    ),
    "Billing ops": (
        *_READ, *_BULK, *_edit("q2c.customer", "q2c.product", "q2c.listprice", "q2c.itemmapping", "q2c.taxnexus"),
        "q2c.cancel_order", "ledger.redate_journalentry",
    ),
    "Finance systems": (
        *_READ, *_BULK, *_edit("q2c.product", "q2c.listprice", "q2c.itemmapping", "ledger.account", "ledger.dimension",
        "ledger.dimensionvalue", "ledger.dimensionrule", "ledger.postingrule", "ledger.fxrate"),
        "q2c.change_connection", "ledger.redate_journalentry",
    ),
    "Controller": (
        *_READ, *_BULK, *_edit("ledger.legalentity", "ledger.account", "ledger.dimensionvalue", "ledger.postingrule",
        "ledger.fxrate", "q2c.product", "q2c.taxnexus", "q2c.commercialpolicy", "exceptions.policy"),
        "exceptions.approve_case", "q2c.approve_order", "ledger.close_period", "ledger.reopen_period",
        "ledger.change_fiscalperiod", "ledger.add_fiscalperiod", "ledger.reverse_journalentry",
        "ledger.redate_journalentry",
    ),
    "Auditor": (
        *_READ, "q2c.view_apikey", "q2c.view_transition", "auth.view_user", "auth.view_group",
    ),
    "Platform engineer": (
        *_READ, *_BULK, *_edit("q2c.connection", "q2c.apikey", "exceptions.team", "exceptions.policy",
        "exceptions.holiday"),
        "q2c.view_apikey", "q2c.view_transition", "q2c.add_event", "q2c.add_order", "q2c.read_every_system",
        "auth.view_user", "auth.change_user", "auth.add_user", "auth.view_group",
    ),
}  # fmt: skip


def install(*, reset: bool = False) -> list[str]:
    """Make the roles that are missing. Returns their names; a right that no model declares raises LookupError."""
    there = set(Group.objects.filter(name__in=ROLES).values_list("name", flat=True))
    wanted = [name for name in ROLES if reset or name not in there]
    if not wanted:
        return []
    known = _permissions({right for name in wanted for right in ROLES[name]})
    for name in wanted:
        group, _ = Group.objects.get_or_create(name=name)
        group.permissions.set([known[right] for right in ROLES[name]])
    return wanted


def _permissions(rights: Iterable[str]) -> dict[str, Permission]:
    rows = Permission.objects.filter(codename__in={right.partition(".")[2] for right in rights})
    known = {f"{row.content_type.app_label}.{row.codename}": row for row in rows.select_related("content_type")}
    if missing := sorted(set(rights) - known.keys()):
        raise LookupError(f"No model declares the rights {', '.join(missing)}")
    return known


def of(names: Sequence[str]) -> list[Group]:
    """The groups of these roles, in order."""
    found = {group.name: group for group in Group.objects.filter(name__in=names)}
    return [found[name] for name in names]
