"""python -m q2c.faults.checker DATABASE_URL SANDBOX_DATABASE_URL: what is wrong in there, a line each."""

from __future__ import annotations

import sys
import time

from q2c.faults.checker import check


def main(arguments: list[str]) -> int:
    if len(arguments) != 2:
        sys.exit(__doc__)
    began = time.monotonic()
    found = check(*arguments)
    for noun, number in found.counts.items():
        sys.stdout.write(f"{number:>10,} {noun}\n")
    for kind, number in found.excused.items():
        sys.stdout.write(f"{number:>10,} excused: {kind}\n")
    for wrong in found.wrong:
        sys.stdout.write(f"WRONG {wrong.kind}: {wrong.text}{f' [trace: {wrong.trace}]' if wrong.trace else ''}\n")
    sys.stdout.write(f"{len(found.wrong):,} wrong, {time.monotonic() - began:.1f} s\n")
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
