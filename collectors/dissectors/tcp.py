"""What a server's SYN-ACK tells of its TCP stack (RFC 9293 section 3.2, RFC 7323, RFC 2018).

The order of the options and the window are the stack's own choice. The names of the options are those of p0f.
"""

from __future__ import annotations

from functools import lru_cache

from collectors.dissectors import Fact

_END, _NOP, _MSS, _SCALE = 0, 1, 2, 3
_NAMES = {_END: "eol", _NOP: "nop", _MSS: "mss", _SCALE: "ws", 4: "sok", 5: "sack", 8: "ts"}
_MAX_OPTIONS = 40  # The data offset of RFC 9293 leaves no room for more.


def synack(ttl: int, window: int, options: bytes, *, df: bool = True) -> Fact:
    """The ``tcp.synack`` fact: TTL as it arrived, window unscaled, the option bytes behind the TCP header.

    Unknown options are ``?`` and their number, options that cannot be read end in a bare ``?``. ``df=no`` is added
    where the packet may be fragmented, since nearly every stack forbids that.
    """
    return "tcp.synack", f"ttl={ttl} window={window} {_options(options)}{'' if df else ' df=no'}"


@lru_cache(maxsize=512)
def _options(options: bytes) -> str:
    names: list[str] = []
    scale = mss = "-"
    at, end = 0, min(len(options), _MAX_OPTIONS)
    while at < end:
        kind = options[at]
        if kind <= _NOP:
            names.append(_NAMES[kind])
            at += 1
            if kind == _END:
                break
            continue
        size = options[at + 1] if at + 1 < end else 0
        if size < 2 or at + size > end:
            names.append("?")
            break
        names.append(_NAMES.get(kind) or f"?{kind}")
        if kind == _MSS and size == 4:
            mss = str(options[at + 2] << 8 | options[at + 3])
        elif kind == _SCALE and size == 3:
            scale = str(options[at + 2])
        at += size
    return f"options={','.join(names) or '-'} scale={scale} mss={mss}"
