"""PostgreSQL as Django has it, with a pool that is back at once when its server is."""
