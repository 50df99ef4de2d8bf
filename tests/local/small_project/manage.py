"""Stands for Django's: what the launcher asks of it, and no more."""

# ruff: noqa: T201
import json
import os
import sys
import time
from pathlib import Path

command = sys.argv[1]
if command == os.environ.get("SMALL_FAILS"):
    print("Applying things…")
    sys.exit("ProgrammingError: the table is not there")
if command == "migrate":
    print("as", os.environ["DATABASE_OWNER_URL"].split("//")[1].split(":")[0])
if sys.argv[1:] == ["load_demo", "--look"]:
    print(os.environ.get("SMALL_HOLDS", "empty"))
elif command == "load_demo":
    print("loading", *sys.argv[2:], flush=True)
    time.sleep(float(os.environ.get("SMALL_LOAD_S", "0")))
    user = {"name": "ada", "role": "controller", "password": "over the wire"}
    content = {"users": [user], "try": ["Open the queue", "Replay a case", "Close October"]}
    Path(os.environ["Q2C_DEMO_FOLDER"], "demo.json").write_text(json.dumps(content))
