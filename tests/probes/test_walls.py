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
EVIL = {
    "its own socket": "socket.socket().connect(('127.0.0.1', port))",
    "its own socket, quietly": "quietly(lambda: socket.socket())",
    "a socket of another address": "socket.create_connection(('127.0.0.1', other))",
    "a datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', other))",
    "a raw socket": "socket.socket(socket.AF_INET, socket.SOCK_RAW, 255)",
    "a name": "quietly(lambda: socket.getaddrinfo('mail.example.org', 443))",
    "a program": "os.system('true')",
    "a program, quietly": "quietly(lambda: subprocess.run(['true']))",
    "a fork": "os.fork()",
    "C": "quietly(lambda: ctypes.CDLL(None).socket(2, 1, 0))",
    "a file": "open('/etc/hostname')",
    "a file to write": "quietly(lambda: open('/tmp/knockfirst-probe', 'w'))",
    "the store": "quietly(lambda: __import__('sqlite3'))",
    "a library": "__import__('httpx').get('http://127.0.0.1:1')",
    "another hook": "quietly(lambda: sys.addaudithook(print))",
    "every object": "quietly(lambda: gc.get_objects())",
    "another path": "w.get('/owa/?x=1')",
    "another host": "w.get('https://127.0.0.1/')",
    "an attack": "w.get('/autodiscover/autodiscover.json@evil/owa/')",
    "a fourth request": "[w.get('/') for _ in range(4)]",
    "a wire of its own": "type(w)(None, time.monotonic, time.time)",
    "the same wire again": "(w.__exit__(), w.get('/'))",
    "copying its wire": "copy.deepcopy(w)",
    "exiting": "sys.exit(0)",
    "an answer that is none": "asks.Answer('hacked')",
    "a fact of no kind": "asks.Answer('confirmed', '', (('no.such.kind', 'x'),))",
    "too many facts": "asks.Answer('confirmed', '', (('http.server', 'x'),) * 65)",
    "a fact that is too long": "asks.Answer('confirmed', '', (('http.server', 'x' * 20_000),))",
    "facts that are too long together": "asks.Answer('confirmed', '', (('http.server', '\\u20ac' * 16_000),) * 60)",
    "nothing": "None",
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
    return eval(source)

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
    with Peer(says(ANSWER)) as peer, Peer(silent, None) as other:
        ended = subprocess.run(
            [sys.executable, "-c", CODE, json.dumps(EVIL), str(peer.port), str(other.port)],
            cwd=ROOT, env={"PATH": os.environ.get("PATH", "")}, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr[-3000:]
        told = [json.loads(line) for line in ended.stdout.splitlines()]
        assert [name for name, *_ in told] == list(EVIL)
        # A wire that is closed is closed: that is all there is to it.
        wrong = [one for one in told if one[1] != ("cancelled" if one[0] == "the same wire again" else "bug")]
        assert not wrong
        assert [number for *_, number in told] == list(range(1, len(EVIL) + 1))
        assert sum(knocks for *_, knocks, _ in told) == peer.connections == 3
        assert other.connections == 0
    assert not Path("/tmp/knockfirst-probe").exists()
