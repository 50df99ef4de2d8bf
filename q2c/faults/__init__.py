"""bin/faults: the whole system under a steady flow, broken by a seeded schedule, and looked into at the end."""
