"""A platform at a socket of its own, which answers byte by byte as a test says; over TLS too."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

# Called with each connection and its number, from 1.
Serve = Callable[[socket.socket, int], None]


@contextmanager
def serving(serve: Serve, tls: ssl.SSLContext | None = None, *, handshake_after_s: float = 0) -> Iterator[int]:
    """The port. The client's going away ends `serve`."""
    listening = socket.socket()
    # Small, so that the sender notices at once how slowly it is read.
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    listening.bind(("127.0.0.1", 0))
    listening.listen()

    def one(connection: socket.socket, number: int) -> None:
        with suppress(OSError):
            if tls is not None:
                time.sleep(handshake_after_s)
                connection = tls.wrap_socket(connection, server_side=True)
            with connection:
                serve(connection, number)

    def run() -> None:
        number = 0
        with suppress(OSError):
            while True:
                connection, _ = listening.accept()
                number += 1
                Thread(target=one, args=(connection, number), daemon=True).start()

    Thread(target=run, daemon=True).start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


@contextmanager
def silent(address: str, port: int) -> Iterator[None]:
    """Nobody takes up connections there, and those that wait to be taken up are as many as can be."""
    with socket.socket() as listening, socket.socket() as waiting:
        listening.bind((address, port))
        listening.listen(0)
        waiting.connect((address, port))
        yield


def read_request(connection: socket.socket) -> bytes:
    """Up to the end of its headers; empty once the client is gone."""
    read = b""
    while b"\r\n\r\n" not in read:
        more = connection.recv(65536)
        if not more:
            return b""
        read += more
    return read


def trickle(connection: socket.socket, pieces: Iterable[bytes], every_s: float) -> None:
    for piece in pieces:
        connection.sendall(piece)
        time.sleep(every_s)


def certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """(a server's context, the file of whom to trust) for 127.0.0.1."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1)).not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    trusted, both = folder / "trusted.pem", folder / "server.pem"
    pem = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    trusted.write_bytes(pem)
    both.write_bytes(private + pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context, trusted
