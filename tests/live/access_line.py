"""An access line in user space: ``access_line STACK OUTSIDE INSIDE [OUTSIDE INSIDE ...]``.

Frames that come in on INSIDE leave on OUTSIDE with the layers of STACK (the words of ``agent.lab.encapsulation``) put
around what they carry, and the other way round without them. So real clients and servers meet over VLANs, QinQ, PPPoE
and MPLS on kernels that have none of these. Only IP passes: neighbours must be known beforehand.
"""

from __future__ import annotations

import selectors
import socket
import struct
import sys

_ALL = 0x0003  # ETH_P_ALL
_AUXDATA = 8  # PACKET_AUXDATA of linux/if_packet.h
_VLAN_VALID, _TPID_VALID = 0x10, 0x40
_PPP = {0x0800: 0x0021, 0x86DD: 0x0057}
_TAGS = {"vlan": 0x8100, "qinq": 0x88A8, "q9100": 0x9100}
_PPPOE, _MPLS = 0x8864, 0x8847


def wrapped(frame: bytes, words: list[str]) -> bytes | None:
    """The frame with its layers, None for what is not IP."""
    kind = int.from_bytes(frame[12:14], "big")
    inside = frame[14:]
    if kind not in _PPP:
        return None
    for at, word in reversed(list(enumerate(words))):
        name, _, number = word.partition(":")
        if name in _TAGS:
            inside, kind = struct.pack("!HH", int(number), kind) + inside, _TAGS[name]
        elif name == "pppoe":
            inside = struct.pack("!BBHHH", 0x11, 0, int(number), len(inside) + 2, _PPP[kind]) + inside
            kind = _PPPOE
        else:
            bottom = not (at + 1 < len(words) and words[at + 1].startswith("mpls"))
            inside, kind = struct.pack("!I", int(number) << 12 | bottom << 8 | 61) + inside, _MPLS
    return frame[:12] + kind.to_bytes(2, "big") + inside


def unwrapped(frame: bytes, words: list[str]) -> bytes | None:
    """The frame without its layers, None where it has others."""
    at = 12
    for word in words:
        name = word.partition(":")[0]
        if name in _TAGS:
            if int.from_bytes(frame[at : at + 2], "big") != _TAGS[name]:
                return None
            at += 4
        elif name == "pppoe":
            at += 8
        else:
            at += 4
    if words[-1].startswith("pppoe"):
        kind = {there: kind for kind, there in _PPP.items()}.get(int.from_bytes(frame[at : at + 2], "big"), 0)
    elif words[-1].startswith("mpls"):
        kind = {4: 0x0800, 6: 0x86DD}.get(frame[at + 2] >> 4, 0)
    else:
        kind = int.from_bytes(frame[at : at + 2], "big")
    return frame[:12] + kind.to_bytes(2, "big") + frame[at + 2 :] if kind in _PPP else None


def received(line: socket.socket) -> bytes | None:
    """The next frame, its outermost tag where it was on the wire; None for what we sent ourselves."""
    frame, ancillary, _, sender = line.recvmsg(65536, 256)
    if sender[2] == 4:  # PACKET_OUTGOING
        return None
    for _, kind, data in ancillary:
        if kind == _AUXDATA:
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
            if status & _VLAN_VALID:
                tag = struct.pack("!HH", tpid if status & _TPID_VALID else 0x8100, tci)
                return frame[:12] + tag + frame[12:]
    return frame


def opened(name: str) -> socket.socket:
    line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    line.setsockopt(263, _AUXDATA, 1)  # SOL_PACKET
    line.bind((name, _ALL))
    return line


def main(words: list[str]) -> None:
    """Forward until killed."""
    stack, names = words[0].split(), words[1:]
    ends = [opened(name) for name in names]
    selector = selectors.DefaultSelector()
    for at, end in enumerate(ends):
        selector.register(end, selectors.EVENT_READ, (ends[at ^ 1], unwrapped if at % 2 == 0 else wrapped))
    print("ready", flush=True)
    while True:
        for key, _ in selector.select():
            other, change = key.data
            frame = received(key.fileobj)  # type: ignore[arg-type]
            passed = change(frame, stack) if frame else None
            if passed:
                other.send(passed)


if __name__ == "__main__":
    main(sys.argv[1:])
