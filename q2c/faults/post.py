"""The post room between platforms and web: loses webhooks, doubles them, and lets them overtake each other."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

# Headers that belong to one connection.
_OF_THE_LINE = {"host", "connection", "content-length", "transfer-encoding", "keep-alive"}
# What may become of a letter: how often it is brought, and after how many seconds at most.
FATES = {"brought": (1, 0.0), "lost": (0, 0.0), "doubled": (2, 1.0), "thrice": (3, 4.0), "late": (1, 8.0)}
_WEIGHTS = (5, 1, 1, 1, 2)


class PostRoom:
    """`with PostRoom(seed) as post`: give `post.url` to whoever calls, set `post.to`; `honest` brings each once."""

    def __init__(self, seed: int) -> None:
        self.to, self.honest = "", False
        self.counts: Counter[str] = Counter()
        self._chance = random.Random(f"post {seed}")  # noqa: S311
        self._lock = threading.Lock()
        room = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                room.take(self.path, dict(self.headers), body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> PostRoom:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, path: str, headers: Mapping[str, str], body: bytes) -> None:
        with self._lock:
            fate = "brought" if self.honest else self._chance.choices(list(FATES), _WEIGHTS)[0]
            times, within_s = FATES[fate]
            waits = [self._chance.uniform(0, within_s) for _ in range(times)]
            self.counts[fate] += 1
        kept = {name: value for name, value in headers.items() if name.lower() not in _OF_THE_LINE}
        for wait_s in waits:
            threading.Thread(target=self._bring, args=(wait_s, path, kept, body), daemon=True).start()

    def _bring(self, wait_s: float, path: str, headers: Mapping[str, str], body: bytes) -> None:
        time.sleep(wait_s)
        try:
            said = requests.post(f"{self.to}{path}", data=body, headers=dict(headers), timeout=10)
            outcome = f"answered {said.status_code}"
        except requests.RequestException:
            outcome = "nobody there"
        with self._lock:
            self.counts[outcome] += 1
