"""Probes that do what no probe may, behind all the walls at once: each is found out, and nobody is connected to.

In a process of its own, as the audit hook is for life; the servers are in this one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.probes.peers import ANSWER, Peer, says, silent

ROOT = Path(__file__).resolve().parents[2]

# What a probe does with its wire `w` and what it knows `k`; `port` is the granted server's, `other` somebody else's.
HOOK = "the audit hook refused something"
EVIL = {
    "its own socket": ("socket.socket().connect(('127.0.0.1', port))", HOOK),
    "its own socket, quietly": ("quietly(lambda: socket.socket())", HOOK),
    "a socket of another address": ("socket.create_connection(('127.0.0.1', other))", HOOK),
    "a datagram": ("socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', other))", HOOK),
    "a raw socket": ("socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)", HOOK),
    "a name": ("quietly(lambda: socket.getaddrinfo('mail.example.org', 443))", HOOK),
    "a program": ("os.system('true')", HOOK),
    "a program, quietly": ("quietly(lambda: subprocess.run(['true']))", HOOK),
    "a fork": ("os.fork()", HOOK),
    "C": ("quietly(lambda: ctypes.CDLL(None).socket(2, 1, 0))", HOOK),
    "a file": ("open('/etc/hostname')", HOOK),
    "a file to write": ("quietly(lambda: open('/tmp/knockfirst-probe', 'w'))", HOOK),
    "the store": ("quietly(lambda: __import__('sqlite3'))", HOOK),
    "a library": ("__import__('httpx').get('http://127.0.0.1:1')", HOOK),
    "another hook": ("quietly(lambda: sys.addaudithook(print))", HOOK),
    "every object": ("quietly(lambda: gc.get_objects())", HOOK),
    "another path": ("w.get('/owa/?x=1')", "ValueError"),
    "another host": ("w.get('https://127.0.0.1/')", "ValueError"),
    "an attack": ("w.get('/autodiscover/autodiscover.json@evil/owa/')", "ValueError"),
    "a fourth request": ("[w.get('/') for _ in range(4)]", "ValueError"),
    "a wire of its own": ("type(w)(None, time.monotonic, time.time)", "TypeError"),
    "the same wire again": ("(w.__exit__(), w.get('/'))", "the wire is closed"),
    "copying its wire": ("copy.deepcopy(w)", "TypeError"),
    "exiting": ("sys.exit(0)", "SystemExit"),
    "an answer that is none": ("asks.Answer('hacked')", "ValueError"),
    "a fact of no kind": ("asks.Answer('confirmed', '', (('no.such.kind', 'x'),))", "ValueError"),
    "too many facts": ("asks.Answer('confirmed', '', (('http.server', 'x'),) * 65)", "ValueError"),
    "a fact that is too long": ("asks.Answer('confirmed', '', (('http.server', 'x' * 20_000),))", "ValueError"),
    "facts that are too long together": (
        "asks.Answer('confirmed', '', (('http.server', '\\u20ac' * 16_000),) * 60)",
        "the probe says too much",
    ),
    "nothing": ("None", "TypeError"),
}

CODE = """
import copy, ctypes, gc, json, logging, os, select, socket, subprocess, sys, time
sys.argv = ["", *sys.argv[1:]]
from agent import ipc
from agent.ipc import Type
from probes import asks, hook, knocks, wire
from tests.probes.peers import LABORATORY, grant
wire.prepare()
evil, port, other = json.loads(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
logging.disable()
bell = os.eventfd(0)
told = []

def quietly(what):
    try:
        what()
    except Exception:
        pass
    return asks.Answer("confirmed")

def probe(w, k):
    return eval(source, globals() | {"w": w, "k": k})

def tell(kind, body):
    ipc.frame(kind, body)
    told.append(body)

refusals = hook.install(wire.expected)
here = knocks.Knocks(tell, {"exchange-http": lambda: probe}, bell, logging.getLogger(), time.monotonic, refusals)
here.behave(LABORATORY)
for name, source in evil.items():
    here.take(grant(port))
    while here.busy():
        select.select([bell], [], [], 10)
        here.heard()
    print(json.dumps([name, told[-1]["outcome"], told[-1]["detail"], len(told[-1]["knocks"]), len(told)]))
"""


def test_a_probe_that_does_what_it_may_not_is_a_bug() -> None:
    evil = json.dumps({name: code for name, (code, _) in EVIL.items()})
    with Peer(says(ANSWER)) as peer, Peer(silent, None) as other:
        ended = subprocess.run(
            [sys.executable, "-c", CODE, evil, str(peer.port), str(other.port)],
            cwd=ROOT, env={"PATH": os.environ.get("PATH", "")}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr[-3000:]
        told = [json.loads(line) for line in ended.stdout.splitlines()]
        assert [(name, detail) for name, _, detail, *_ in told] == [(name, how) for name, (_, how) in EVIL.items()]
        # A wire that is closed is closed: that is all there is to it.
        assert {outcome for _, outcome, detail, *_ in told if detail != "the wire is closed"} == {"bug"}
        assert [number for *_, number in told] == list(range(1, len(EVIL) + 1))
        assert sum(knocks for *_, knocks, _ in told) == peer.connections == 3
        assert other.connections == 0
    assert not Path("/tmp/knockfirst-probe").exists()
