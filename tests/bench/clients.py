"""HTTP clients that cost little: requests made as bytes beforehand, connections open and used once before the clock."""

from __future__ import annotations

import socket
import threading
import time
from urllib.parse import urlsplit


class Clients:
    """`count` of them, a connection each."""

    def __init__(self, url: str, path: str, headers: dict[str, str], count: int) -> None:
        place = urlsplit(url)
        assert place.hostname and place.port
        self.address = (place.hostname, place.port)
        self.path, self.headers, self.count = path, headers, count

    def send(self, bodies: list[bytes], kind: str) -> float:
        """Seconds until all are answered with 202."""
        requests = [self._request("POST", self.path, body, kind) for body in bodies]
        failed: list[str] = []
        ready = threading.Barrier(self.count + 1, timeout=60)

        def run(mine: list[bytes]) -> None:
            try:
                with socket.create_connection(self.address, timeout=60) as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    _asked(connection, self._request("GET", "/healthz"))
                    ready.wait()
                    for request in mine:
                        answer = _asked(connection, request)
                        if not answer.startswith(b"HTTP/1.1 202"):
                            failed.append(answer[:600].decode(errors="replace"))
            except Exception as error:
                failed.append(f"{type(error).__name__}: {error}")
                ready.abort()

        threads = [threading.Thread(target=run, args=[requests[n :: self.count]]) for n in range(self.count)]
        for thread in threads:
            thread.start()
        try:
            ready.wait()
        except threading.BrokenBarrierError:
            failed.append("a client did not get ready")
        began = time.perf_counter()
        for thread in threads:
            thread.join()
        took_s = time.perf_counter() - began
        if failed:
            raise RuntimeError(f"{self.path} at {self.address[0]}:{self.address[1]}: {failed[0]}")
        return took_s

    def _request(self, method: str, path: str, body: bytes = b"", kind: str = "") -> bytes:
        headers = {"Host": f"{self.address[0]}:{self.address[1]}", "Content-Length": str(len(body)), **self.headers}
        if kind:
            headers["Content-Type"] = kind
        head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def _asked(connection: socket.socket, request: bytes) -> bytes:
    """The whole answer, as it came."""
    connection.sendall(request)
    answer = b""
    while not _whole(answer):
        part = connection.recv(1 << 18)
        if not part:
            raise ConnectionError(f"closed in the middle of an answer: {answer[:300]!r}")
        answer += part
    return answer


def _whole(answer: bytes) -> bool:
    head, ended, body = answer.partition(b"\r\n\r\n")
    if not ended:
        return False
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) >= int(value)
        if name == b"transfer-encoding":
            return body.endswith(b"0\r\n\r\n")
    raise ConnectionError(f"an answer of unknown length: {head!r}")
