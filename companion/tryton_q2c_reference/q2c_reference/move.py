# SPDX-License-Identifier: GPL-3.0-or-later
"""A move's reference at its sender. Its copy and its cancellation bear none."""

from trytond.model import Unique, fields
from trytond.pool import PoolMeta


class Move(metaclass=PoolMeta):
    __name__ = "account.move"

    q2c_reference = fields.Char("Reference of q2c")

    @classmethod
    def __setup__(cls):
        super().__setup__()
        table = cls.__table__()
        # Moves without one stay apart: NULL equals nothing.
        cls._sql_constraints.append(
            (
                "q2c_reference_unique",
                Unique(table, table.company, table.q2c_reference),
                "q2c_reference.msg_reference_unique",
            )
        )

    @classmethod
    def copy(cls, moves, default=None):
        default = dict(default or {})
        default.setdefault("q2c_reference", None)
        return super().copy(moves, default=default)
