"""What the exporter of a daemon shows."""

from __future__ import annotations

import socket


def fetched(url: str) -> str:
    """The metrics page of our own daemon on loopback. Raises OSError."""
    place, _, path = url.removeprefix("http://").partition("/")
    host, _, port = place.rpartition(":")
    with socket.socket() as connection:
        connection.settimeout(20)
        connection.connect((host, int(port)))
        connection.sendall(f"GET /{path} HTTP/1.0\r\nHost: {place}\r\n\r\n".encode())
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return answer.partition(b"\r\n\r\n")[2].decode()
