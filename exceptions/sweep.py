"""What time alone brings about. The engine's beat calls it every minute or so; twice at once does no harm."""

from __future__ import annotations

from exceptions import batches, casework, problems, tallies


def sweep() -> dict[str, int]:
    """Wake what has slept long enough, end empty problems, finish batches that are through, add up counts."""
    done = {"woken": casework.wake_due(), "problems": len(problems.settle()), "batches": len(batches.settle())}
    tallies.fold()
    return done
