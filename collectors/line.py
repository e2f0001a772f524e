"""The passive line: frames of a capture file or an interface in, observations out.

Most frames never get here: libpcap or the kernel applies the generated filter and hands over a few per cent. What does
get here is judged once more by who is to be looked at, decoded, put in order and dissected; and whoever has said what
it can, a flow or a server, is not looked at again.
"""

from __future__ import annotations

from collections import OrderedDict
from socket import AF_INET, AF_INET6, inet_pton
from typing import TYPE_CHECKING, Any

from agent.errors import Malformed
from collectors.dissectors import dns, tcp
from collectors.flows import Flows
from collectors.glance import Glance
from collectors.knocks import Knocks
from collectors.packets import admit
from collectors.packets.decode import ETHERNET, TCP, Packet, decode, tcp_header
from collectors.packets.reassembly import Bounds
from collectors.packets.source import open_source
from collectors.packets.wanted import ANSWERS, HANDSHAKES, HEADERS, Tiers, Wanted
from collectors.telling import CLIENT, ENOUGH, Telling, packed
from collectors.withdrawals import Withdrawals

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from agent.model import Observation
    from collectors.withdrawals import Withdrawal

_SYN, _ACK = 0x02, 0x10


MAX_MUTED = 65_536
MOST_SYN_ACKS = 500  # facts in a second
# Before a DNS question, so that it is longer than a server and a side of its talk, and never taken for one.
_QUESTION = bytes(20)
_MAX_JUDGED = 16_384


class Line:
    """All state of one run. ``losses`` are sentences about files that could not be read whole."""

    def __init__(self, wanted: Wanted = Wanted(), bounds: Bounds = Bounds()) -> None:  # noqa: B008 - tuples
        self.losses: list[str] = []
        self._telling = Telling()
        self._flows = Flows(self._telling, bounds)
        self._glance = Glance(self._telling, self._flows.reassembly).enough
        self._counts = {"frames_seen": 0, "frames_used": 0, "syn_acks": 0, "syn_acks_untold": 0}
        self._malformed = {"dns": 0}
        self._knocks = Knocks()
        self._withdrawals = Withdrawals()
        self._now = 0.0
        self._muted: OrderedDict[bytes, float] = OrderedDict()
        self._passed = 0
        self._second = self._syn_acks_told = 0
        # Asked for every frame that gets here: packed address -> tier, as far as it was asked for before.
        self._tiers: dict[bytes, int] = {}
        self.look_for(wanted)

    def look_for(self, wanted: Wanted) -> None:
        """Look for this from the next frame on; streams of who is no longer looked at are let go unread."""
        self.wanted = wanted
        self._rules = admit.Rules(wanted.dissectors, wanted.ports)
        self._encapsulations = wanted.encapsulations
        self._keep()

    def withdraw(self, withdrawal: Withdrawal) -> None:
        """Look no more at these from the next frame on, whatever lets them in, until sets that know of it are in force.

        Raises InputError for text that is no prefix.
        """
        self._withdrawals.add(withdrawal)
        self._keep()

    def release(self, number: int) -> None:
        """What is looked for knows of every withdrawal up to this number."""
        if self._withdrawals.release(number):
            self._tiers.clear()

    def wants(self, observation: Observation) -> bool:
        """Whether this may be told by what is in force now."""
        needed = HEADERS if observation.collector == "tcp" else HANDSHAKES
        return bool(self._tier(packed(observation.server)[:-2]) & needed)

    def knocks(self) -> list[dict[str, Any]]:
        """Connections that began at the addresses that are knocked from, since this was last asked."""
        return self._knocks.taken()

    def _keep(self) -> None:
        """Judge everybody anew, and let go of the streams of who is not looked at."""
        self._tiers.clear()
        self._flows.keep(lambda server: bool(self._tier(server[:-2]) & HANDSHAKES))

    def _tier(self, address: bytes) -> int:
        """The tier of an address, whether it is left alone for now or not."""
        return self._withdrawals.left(address, self.wanted.tiers.of(address))

    def given(self) -> list[Observation]:
        """The observations since this was last asked."""
        return self._telling.given()

    def forget(self, observation: Observation) -> None:
        """An observation that was given reached nobody: it may be told again."""
        self._telling.forget(observation)

    def begin_anew(self) -> None:
        """Who is told is another: every fact is told once more, and nobody is left alone."""
        self._telling.begin_anew()
        self._withdrawals.begin_anew()
        self._muted.clear()
        self._tiers.clear()

    def mute(self, addresses: Iterable[str], until: float) -> None:
        """Nothing of these servers is wanted until then (seconds since the epoch)."""
        for address in addresses:
            packed_address = inet_pton(AF_INET6 if ":" in address else AF_INET, address)
            self._muted.pop(packed_address, None)
            self._muted[packed_address] = until
            self._tiers.pop(packed_address, None)
            if len(self._muted) > MAX_MUTED:
                self._unmute(next(iter(self._muted)))

    def let_go(self, prefixes: Iterable[str]) -> None:
        """Whoever was there is erased: nothing is remembered of any server in these prefixes.

        Raises InputError for text that is no prefix.
        """
        theirs = Tiers(handshakes=prefixes)
        for address in [address for address in self._muted if theirs.of(address)]:
            self._unmute(address)
        self._telling.let_go(lambda address: bool(theirs.of(address)))
        self._flows.keep(lambda server: not theirs.of(server[:-2]))
        self._tiers.clear()

    def muted(self, time: float) -> list[bytes]:
        """The packed addresses of which nothing is wanted at a time."""
        while self._muted:
            address, until = next(iter(self._muted.items()))
            if until > time:
                break
            self._unmute(address)
        return list(self._muted)

    @property
    def passed(self) -> int:
        """How many frames there were of who is left alone."""
        return self._flows.counts["streams_of_the_sated"] + self._passed

    def sated(self, time: float) -> list[bytes]:
        """The packed addresses of which nothing of port 443 is wanted at a time, for they tell nothing new there."""
        return self._telling.muted(time)

    def sweep(self, time: float) -> None:
        """What time brings: streams of which the filter lets through no more tell what they can."""
        self._flows.sweep(time)

    def _unmute(self, address: bytes) -> None:
        del self._muted[address]
        self._tiers.pop(address, None)

    def _judge(self, address: bytes) -> int:
        """The tier of an address, remembered until somebody changes it."""
        if len(self._tiers) >= _MAX_JUDGED:
            self._tiers.clear()
        tier = 0 if address in self._muted else self._tier(address)
        self._tiers[address] = tier
        return tier

    def _affords(self, time: float) -> bool:
        """Whether one more SYN-ACK may be told in this second: a flood of them from anywhere must not become facts.

        A file is what it is.
        """
        if self._flows.follow:
            return True
        second = int(time)
        if second != self._second:
            self._second, self._syn_acks_told = second, 0
        self._syn_acks_told += 1
        afforded = self._syn_acks_told <= MOST_SYN_ACKS
        self._counts["syn_acks_untold"] += not afforded
        return afforded

    def _outside(self, address: bytes) -> str:
        if address in self._muted:
            self._passed += 1
            return "muted"
        return "outside_prefixes"

    @property
    def counts(self) -> dict[str, int]:
        """Counter name -> value. ``frames_seen`` = ``frames_used`` + every ``drop_*`` where a source counts."""
        flows = self._flows
        malformed = {**self._malformed, **flows.reassembly.malformed}
        told = {f"malformed_{name}": n for name, n in malformed.items()}
        knocks = self._knocks.counts if self.wanted.sources else {}
        return {**self._counts, **self._telling.counts, **flows.counts, **flows.reassembly.counts, **told, **knocks}

    def read(
        self, path: str, *, counting: bool = False, progress: Callable[[int], None] | None = None
    ) -> Iterator[Observation]:
        """Every new fact in a capture file, as it is found. Raises InputError for a file that is none.

        ``counting`` reads every frame in Python, so that each is numbered and its fate counted; without it libpcap
        filters where it can, and what it drops is not seen here. ``progress`` is told how many bytes are read.
        """
        source = open_source(path, self.wanted, counting=counting)
        self._flows.follow = source.follow
        try:
            for at in source.batches(self._count if counting else self.frame):
                yield from self._telling.given()
                source.mute(self._telling.muted(self._now))
                if progress:
                    progress(at)
            self._flows.end()
        finally:
            self._flows.follow = None
        yield from self._telling.given()
        if source.loss:
            self.losses.append(f"{path}: {source.loss}")

    def _count(self, time: float, link: int, wire: int, data: bytes) -> None:
        self._counts["frames_seen"] += 1
        self._telling.number = self._counts["frames_seen"]
        reason = self.frame(time, link, wire, data)
        name = f"drop_{reason}" if reason else "frames_used"
        self._counts[name] = self._counts.get(name, 0) + 1

    def frame(self, time: float, link: int, wire: int, data: bytes) -> str | None:
        """Look at one frame. The reason why it was not used, or None."""
        self._now = time
        if link == ETHERNET and self._glance(time, data):
            self._flows.counts["streams_of_the_sated"] += 1
            return None
        packet = decode(data, link, wire, self._encapsulations)
        if isinstance(packet, str):
            return packet
        return self._tcp(time, packet, data) if packet[0] == TCP else self._udp(time, packet, data)

    def _udp(self, time: float, packet: Packet, data: bytes) -> str | None:
        at = packet[3]
        message = data[at + 8 :]
        if not self._rules.dns or data[at : at + 2] != b"\0\x35" or not admit.dns_wanted(message):
            return "not_wanted"
        address = packet[1][: len(packet[1]) >> 1]
        if not self._judge(address) & ANSWERS:
            return self._outside(address)
        # Who asked this before got the same answer, but for its time to live: that is read a few times an hour.
        question = _QUESTION + message[12 : message.find(b"\0", 12) + 5].lower()
        if self._telling.sated(question, time):
            self._passed += 1
            return None
        try:
            answers = dns.answers(message)
        except Malformed:
            self._malformed["dns"] += 1
            return None
        news = False
        for endpoint, (kind, value) in answers:
            server = packed(endpoint)
            if self._judge(server[:-2]) & HANDSHAKES:
                news |= self._telling.say(server, kind, value, time, "dns")
        self._telling.judge(question, time, news=news)
        return None

    def _tcp(self, time: float, packet: Packet, data: bytes) -> str | None:
        _, addresses, _, at, end = packet
        source, destination, sequence, acknowledged, offset, flags, _ = tcp_header(data, at)
        if flags & _SYN:
            return self._syn(time, packet, data)
        start = at + (offset >> 2 & 0x3C)
        size = end - start
        if start < at + 20:
            return "bad_tcp"
        if size <= 0:
            return "no_payload"
        payload = data[start:end]
        ports = data[at : at + 4]
        side = self._rules.side(payload, size, source, destination)
        piece = (time, sequence, acknowledged, payload, size)
        if not side:
            # What goes on with a stream that was begun may look like anything.
            if self._flows.goes_on(addresses + ports, piece):
                return None
            return "not_wanted" if payload else "truncated"
        half = len(addresses) >> 1
        if side == admit.SERVER:
            server, talk = addresses[:half] + ports[:2], payload[:1]
        else:
            server, talk = addresses[half:] + ports[2:], CLIENT
        address = server[:-2]
        tier = self._tiers.get(address)
        if not (self._judge(address) if tier is None else tier) & HANDSHAKES:
            return self._outside(address)
        self._flows.begins(addresses + ports, server, talk, piece)
        return None

    def _syn(self, time: float, packet: Packet, data: bytes) -> str | None:
        _, addresses, ttl, at, _ = packet
        source, _, sequence, _, offset, flags, window = tcp_header(data, at)
        if not flags & _ACK:
            return self._knock(time, sequence, addresses, data[at : at + 4])
        if source not in self._rules.answering:
            return "not_wanted"
        self._counts["syn_acks"] += 1
        address = addresses[: len(addresses) >> 1]
        tier = self._tiers.get(address)
        if not (self._judge(address) if tier is None else tier) & HEADERS:
            return self._outside(address)
        server = address + data[at : at + 2]
        self._flows.reassembly.anchor(addresses + data[at : at + 4], sequence)
        who = server + b"s"
        if not self._telling.sated(who, time) and self._affords(time):
            kind, value = tcp.synack(ttl, window, data[at + 20 : at + (offset >> 2 & 0x3C)])
            news = self._telling.say(server, kind, value, time, "tcp")
            # The stack answers every handshake alike: one that says nothing new is enough.
            self._telling.judge(who, time, news=news, weight=ENOUGH)
        return None

    def _knock(self, time: float, sequence: int, addresses: bytes, ports: bytes) -> str | None:
        """A SYN that answers nothing. What is in a file is not what the prober does now."""
        if self._flows.follow or addresses[: len(addresses) >> 1] not in self.wanted.sources:
            return "not_wanted"
        self._knocks.saw(addresses + ports, sequence, time)
        return None
