"""python -m q2c.local COMMAND [ARGUMENTS]: what bin/* call, before any package is there."""

from __future__ import annotations

import importlib
import os
import signal
import sys
from types import FrameType

# Command → the module whose main(arguments) does it and whose USAGE tells how.
COMMANDS = {
    "demo": "q2c.local.demo",
    "test": "q2c.local.test",
    "lock": "q2c.local.lock",
    "bench": "q2c.local.bench",
    "erp": "q2c.local.erp",
    "faults": "q2c.local.faults",
    "manage": "q2c.local.manage",
}


def main(arguments: list[str]) -> int:
    if sys.version_info < (3, 11):  # noqa: UP036 (start.sh looks for one that fits, a person may not)
        print("q2c: Python 3.11 or later is needed; this is {}.{}".format(*sys.version_info[:2]), file=sys.stderr)
        return 1
    from q2c.local.stop import Stop, from_os_error

    if not arguments or arguments[0] not in COMMANDS:
        names = [importlib.import_module(module).USAGE for module in COMMANDS.values()]
        print("\n".join(names), file=sys.stderr if arguments else sys.stdout)
        return 1 if arguments else 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        # nohup ignores SIGHUP for us: that stays.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _interrupt)
    try:
        command = importlib.import_module(COMMANDS[arguments[0]])
        return int(command.main(arguments[1:]))
    except Stop as stop:
        return _say(stop)
    except KeyboardInterrupt:
        print("\nq2c: interrupted", file=sys.stderr)
        return 130
    except OSError as error:
        stopped = from_os_error(error)
        if stopped is None or os.environ.get("Q2C_TRACEBACK"):
            raise
        return _say(stopped)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    # One way to stop for all: Ctrl-C, SIGTERM and a closed terminal.
    raise KeyboardInterrupt


def _say(stop: Exception) -> int:
    print(f"q2c: {stop}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
