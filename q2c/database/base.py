"""Django's own backend, but a connection that broke takes the other broken ones out of the pool with it.

psycopg's pool finds out one by one, with growing pauses between them: after a restart of the server a request would
wait for as long as the pool has connections that nobody has asked yet. Named as ENGINE in q2c/settings.py, which has
CONN_HEALTH_CHECKS off where there is a pool: they are checked here.
"""

from __future__ import annotations

from typing import Any

import psycopg
from django.db.backends.postgresql import base
from psycopg_pool import ConnectionPool


class DatabaseWrapper(base.DatabaseWrapper):
    def get_new_connection(self, conn_params: Any) -> Any:
        """Raises OperationalError (PoolTimeout) where none could be had in the pool's time."""
        found = super().get_new_connection(conn_params)
        pool = self.pool
        if pool is None:
            return found
        try:
            ConnectionPool.check_connection(found)
        except psycopg.OperationalError:
            pool.putconn(found)
            pool.check()
            # What is in the pool now answers, or is new.
            return super().get_new_connection(conn_params)
        return found
