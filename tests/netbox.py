"""A small NetBox: what its REST API answers for prefixes and tenants, in pages, for a token; and its bad days."""

from __future__ import annotations

import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "0123456789abcdef0123456789abcdef01234567"


def tenant(number: int, **custom: Any) -> dict[str, Any]:
    return {"id": number, "name": f"Customer {number}", "slug": f"c-{number}", "custom_fields": custom}


def prefix(number: int, text: str, of: int | None, status: str = "active", role: str | None = None, *tags: str) -> Any:
    brief = None if of is None else {key: tenant(of)[key] for key in ("id", "name", "slug")}
    return {
        "id": number, "prefix": text, "vrf": None, "tenant": brief, "status": {"value": status, "label": status},
        "role": None if role is None else {"id": 1, "slug": role, "name": role},
        "tags": [{"slug": tag} for tag in tags],
    }  # fmt: skip


class NetBox:
    """``bad``: path or page number -> what goes wrong there. ``asked``: every path, query and Authorization."""

    def __init__(self, prefixes: list[Any], tenants: list[Any] | None = None, context: ssl.SSLContext | None = None):
        self.lists = {"/api/ipam/prefixes/": prefixes, "/api/tenancy/tenants/": tenants or []}
        self.asked: list[tuple[str, dict[str, list[str]], str | None]] = []
        self.page = 1000
        self.bad: str = ""
        self.elsewhere = "http://127.0.0.9:1"
        box = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                box.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self._server.daemon_threads = True
        if context is not None:
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        scheme = "http" if context is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def answer(self, to: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(to.path)
        query = parse_qs(parts.query)
        self.asked.append((parts.path, query, to.headers.get("Authorization")))
        second = int(query.get("offset", ["0"])[0]) > 0
        if to.headers.get("Authorization") != f"Token {TOKEN}":
            return self._say(to, 403, {"detail": "Invalid token"})
        if self.bad in ("500", "404") or (self.bad == "500 later" and second):
            return self._say(to, int(self.bad[:3]), {"detail": "no"})
        if self.bad == "redirect":
            return self._say(to, 302, {}, Location=f"{self.elsewhere}/api/")
        if self.bad == "slow":
            time.sleep(3)
        if self.bad == "html":
            return self._say(to, 200, "<html>Sign in</html>")
        if self.bad == "cut" and second:
            to.send_response(200)
            to.send_header("Content-Length", "1000")
            to.end_headers()
            to.wfile.write(b'{"count": 7')
            to.close_connection = True
            return None
        objects = self.lists.get(parts.path)
        if objects is None:
            return self._say(to, 404, {"detail": "Not found."})
        return self._say(to, 200, self._listed(parts.path, objects, query))

    def _listed(self, path: str, objects: list[Any], query: dict[str, list[str]]) -> Any:
        if "tag" in query:
            objects = [each for each in objects if query["tag"][0] in [tag["slug"] for tag in each.get("tags", [])]]
        if query.get("vrf_id") == ["null"]:
            objects = [each for each in objects if each.get("vrf") is None]
        limit = min(int(query.get("limit", ["50"])[0]), self.page)
        offset = int(query.get("offset", ["0"])[0])
        more = offset + limit < len(objects)
        start = self.elsewhere if self.bad == "next elsewhere" else self.url
        kept = "".join(f"&{key}={query[key][0]}" for key in query if key not in ("limit", "offset"))
        following = f"{start}{path}?limit={limit}&offset={offset + limit}{kept}"
        if self.bad == "truncated" and offset:
            more = False
        if self.bad == "twice" and offset:
            objects = objects[:1] * len(objects)
        return {
            "count": len(objects),
            "next": following if more else None,
            "previous": None,
            "results": "none" if self.bad == "no list" else objects[offset : offset + limit],
        }

    def _say(self, to: BaseHTTPRequestHandler, status: int, body: Any, **headers: str) -> None:
        content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        to.send_response(status)
        to.send_header("Content-Type", "text/html" if isinstance(body, str) else "application/json")
        to.send_header("API-Version", "4.1")
        to.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            to.send_header(name, value)
        to.end_headers()
        to.wfile.write(content)
