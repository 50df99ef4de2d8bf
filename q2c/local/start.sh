#!/bin/sh
# Finds a Python that is new enough and hands over to q2c.local: start.sh COMMAND [ARGUMENTS].
# POSIX sh, since the Python at hand may be too old to read ours. PYTHON names one to use.
root=$(CDPATH='' cd -- "$(dirname -- "$0")/../.." && pwd) || exit 1
cd "$root" || exit 1
unset PYTHONSAFEPATH PYTHONHOME

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

if [ -n "${PYTHON:-}" ]; then
    fits "$PYTHON" && exec "$PYTHON" -m q2c.local "$@"
    echo "q2c: PYTHON is $PYTHON, which is not Python 3.11 or later. Unset it or name another." >&2
    exit 1
fi
for python in python3 python3.13 python3.12 python3.11 python3.14 python; do
    fits "$python" && exec "$python" -m q2c.local "$@"
done
echo "q2c: Python 3.11 or later is needed and none was found. Install one (Debian: apt-get install python3 python3-venv)" \
    "or name it: PYTHON=/path/to/python3.12 bin/$1" >&2
exit 1
