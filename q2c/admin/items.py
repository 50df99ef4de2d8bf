"""Whether a ledger has the items and dimension values that mappings name; asked while no transaction is open."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from exceptions import sentences
from ledger.models import DimensionRule
from q2c import keys
from q2c.connectors.http import calling
from q2c.connectors.outcomes import Rejected, Unavailable
from q2c.engine.gates import Gates, NoSuchConnection, no_transaction

# Dimensions that a line has by its order, where the mapping gives none.
FROM_THE_LINE = {"product_line", "region"}
# Warnings of one import that are told one by one.
TOLD_MAX = 20
log = logging.getLogger(__name__)


@dataclass(slots=True)
class Answer:
    """What a ledger said: words by (kind, name). `silent`: why it could not be asked, empty where it could."""

    known: dict[tuple[str, str], str] = field(default_factory=dict)
    silent: str = ""

    def of(self, kind: str, name: str) -> str:
        """active, inactive, missing; empty where it keeps none of the kind, or did not say."""
        return self.known.get((kind, name), "")


def ask(connection: str, wanted: Iterable[tuple[str, str]]) -> Answer:
    """One question per kind. Never raises: a ledger that cannot be asked is silent."""
    no_transaction()
    by_kind: dict[str, list[str]] = {}
    for kind, name in dict.fromkeys(wanted):
        by_kind.setdefault(kind, []).append(name)
    answer = Answer()
    try:
        connector = Gates().open(connection)
        if not hasattr(connector, "known"):
            return Answer(silent=f"{connection} cannot be asked what it knows")
        with calling(keys.new_id()):
            for kind, names in by_kind.items():
                said = connector.known(kind, names)
                if isinstance(said, Rejected | Unavailable):
                    return Answer(silent=f"{connection} could not be asked: {said.text}")
                answer.known |= {(kind, name): word for name, word in said.items()}
    except NoSuchConnection:
        return Answer(silent=f"{connection} is no active connection")
    except Exception as error:
        log.exception("could not ask a ledger what it knows", extra={"connection": connection})
        return Answer(silent=f"{connection} could not be asked: {type(error).__name__}")
    return answer


def named(item: str, dimensions: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What one mapping asks a ledger for."""
    return [("item", item), *((code, str(value)) for code, value in dimensions.items())]


def dimensions(text: str) -> dict[str, Any]:
    """Of what was typed as JSON; none of what is wrong, which is told elsewhere."""
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def refused(item: str, answer: Answer) -> str:
    """Why a mapping to this item is not taken; empty where it is."""
    if answer.of("item", item) != "missing":
        return ""
    return f"The ledger has no item {item}: create it there first, or correct the name"


def doubts(connection: str, item: str, dimensions: Mapping[str, Any], answer: Answer) -> list[str]:
    """What a person should know of a mapping that is taken all the same."""
    wanted = named(item, dimensions)
    listed = ", ".join(f"{kind.replace('_', ' ')} {name}" for kind, name in wanted)
    if answer.silent:
        return [f"{answer.silent}. Not checked there: {listed}"]
    said = [
        f"{connection} has {kind.replace('_', ' ')} {name}, but inactive: journals that carry it become cases"
        if answer.of(kind, name) == "inactive"
        else f"{connection} has no {kind.replace('_', ' ')} {name}: journals that carry it become cases"
        for kind, name in wanted
        if answer.of(kind, name) in ("inactive", "missing")
    ]
    required = DimensionRule.objects.filter(requirement="required", default_value="", effective_to=None)
    lacking = sorted(set(required.values_list("dimension__code", flat=True)) - set(dimensions) - FROM_THE_LINE)
    if lacking:
        none_of = ", no ".join(map(sentences.kind_of, lacking))
        said.append(f"It gives no {none_of}, which some accounts require: their journals become cases")
    return said
