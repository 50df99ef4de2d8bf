"""What time alone brings about. The engine's beat calls it every minute or so; twice at once does no harm."""

from __future__ import annotations

from django.db import transaction

from exceptions import batches, casework, problems, tallies, unblock
from q2c import states


def sweep() -> dict[str, int]:
    """Wake what has slept long enough, end empty problems, finish batches, take back spent offers, add up counts."""
    done = {"woken": casework.wake_due(), "problems": len(problems.settle()), "batches": len(batches.settle())}
    with transaction.atomic():
        states.say("sweeper", "nothing waits for it any more")
        done["offers"] = len(unblock.withdraw_spent())
    tallies.fold()
    return done
