"""The launcher: virtual environment, embedded servers, supervisor. Standard library only, nothing else of q2c.

Read in the order a start runs: start.sh → __main__ → demo → venv → servers → postgres, valkey → supervisor → processes.
"""
