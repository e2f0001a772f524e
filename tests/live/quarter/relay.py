"""The relay, which is every customer's mail server, too; and what it heard, command by command, as it came.

Postfix asks at RCPT, at DATA and after the message (access policy delegation), so what came is known without a word of
ours. What becomes of a mail is in its recipient's name: see FATES.
"""

from __future__ import annotations

import re
import socketserver
import threading
from collections import Counter
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, NamedTuple, Self

from tests.live.post import Post

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from email.message import EmailMessage

# What a mailbox does: takes mail; is there no more, which is known at once or found out later; has no room, until the
# relay gives up; or has none for some days, which the relay says at RCPT.
FATES = ("ok", "gone", "unknown", "full", "busy")
RCPT, DATA, TAKEN = "RCPT", "DATA", "END-OF-MESSAGE"
_MORE = """
virtual_mailbox_domains = regexp:{directory}/domains
virtual_mailbox_maps = regexp:{directory}/mailboxes
transport_maps = regexp:{directory}/transports
smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{policy}
smtpd_data_restrictions = check_policy_service inet:127.0.0.1:{policy}
smtpd_end_of_data_restrictions = check_policy_service inet:127.0.0.1:{policy}
maximal_queue_lifetime = 2s
bounce_queue_lifetime = 2s
minimal_backoff_time = 1s
maximal_backoff_time = 1s
queue_run_delay = 1s
smtpd_policy_service_timeout = 20s
"""
_MAPS = {
    "domains": "/^isp\\.example$/ ok\n/^c-[0-9]+\\.example$/ ok\n",
    "mailboxes": "/^notices@isp\\.example$/ notices/\n/\\.(ok|busy)@c-[0-9]+\\.example$/ customers/\n",
    "transports": "/\\.full@/ retry:4.2.2 mailbox full\n",
}
_QUEUED = re.compile(r"cleanup\[\d+\]: ([0-9A-Za-z]+): message-id=(<[^>]*>)")
_DELIVERED = re.compile(r"virtual\[\d+\]: ([0-9A-Za-z]+): to=<([^>]*)>.* status=sent")


class Heard(NamedTuple):
    """A command that came: in which ``order`` among all that happened, at which time of the story, and for whom.

    ``queue``: what the relay calls the mail; ``many``: recipients that it has; ``answer``: what it was told to say.
    """

    order: int
    wall: float
    stage: str
    to: str
    sender: str
    queue: str
    many: int
    answer: str


class Relay(Post):
    """``stamp`` gives order and time; ``judges`` says what is answered to a stage and a recipient, "DUNNO" for yes."""

    def __init__(self, stamp: Callable[[], tuple[int, float]], judges: Callable[[str, str], str]) -> None:
        super().__init__()
        self.heard: list[Heard] = []
        self._stamp, self._judges = stamp, judges

    def __enter__(self) -> Self:
        hears = self._hears

        class Asked(socketserver.StreamRequestHandler):
            """Requests of an smtpd, as long as it has any: lines of name=value up to an empty one."""

            def handle(self) -> None:
                said: dict[str, str] = {}
                for line in self.rfile:
                    name, _, value = line.decode().rstrip("\n").partition("=")
                    if name:
                        said[name] = value
                        continue
                    self.wfile.write(f"action={hears(said)}\n\n".encode())
                    said = {}

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Asked)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        self.more = _MORE.format(directory=self.directory, policy=self._server.server_address[1])
        for name, text in _MAPS.items():
            (self.directory / name).write_text(text)
        try:
            return super().__enter__()
        except BaseException:
            self._server.shutdown()
            raise

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._server.shutdown()
        self._server.server_close()

    def _hears(self, said: dict[str, str]) -> str:
        stage, to = said["protocol_state"], said.get("recipient", "")
        answer = self._judges(stage, to)
        many = int(said.get("recipient_count") or 0)
        queue = said.get("queue_id", "")
        self.heard.append(Heard(*self._stamp(), stage, to, said.get("sender", ""), queue, many, answer))
        return answer

    # What is there when all is over.

    def ids(self) -> dict[str, str]:
        """What the relay calls a mail -> its Message-ID."""
        return dict(_QUEUED.findall(self.said()))

    def delivered(self) -> Counter[tuple[str, str]]:
        """Message-ID and recipient -> how often it was put into a mailbox, by the relay's own log."""
        ids = self.ids()
        found = Counter((ids.get(queue, ""), to) for queue, to in _DELIVERED.findall(self.said()))
        return Counter({one: many for one, many in found.items() if one[1].endswith(".example") and "@c-" in one[1]})

    def mails(self) -> Iterator[EmailMessage]:
        """Every mail that is in a customer's mailbox."""
        for path in sorted((self.mail / "customers/new").glob("*")):
            yield message_from_bytes(path.read_bytes(), policy=default)
