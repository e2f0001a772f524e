"""The demo's story, in its order: three customers are seen and asked; one is knocked at, told, and checks it all.

What is shown is what commands and servers say: nothing of it is written down here beforehand.
"""

from __future__ import annotations

import json
import time
from argparse import Namespace
from typing import TYPE_CHECKING, Any

from agent.lab import story_papers as papers
from agent.lab import story_proof as proof
from agent.lab import story_screens as screens
from agent.lab.leave import ago, token
from agent.lab.scrape import fetched
from agent.lab.story_cast import BOOKSHOP, CUSTOMERS, LIBRARY, OPTICIAN
from agent.lab.story_commands import Commands, FailedError, posted, until
from agent.lab.story_told import COUNTED, Telling

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from agent.lab.relay import Scripted
    from agent.lab.story_cast import Customer, Doors
    from agent.supervisor import Daemon

_TOLD_AGO = 40  # days: more than consent.announce_days
_REFUSED = 'decision="refused",reason="objection"} 0.0'
_MAIL = f"{papers.TEXTS}/announcement_mail.en.txt"


class Story:
    """``directory``: of the configuration and its papers; ``say`` shows a screen. Everything raises FailedError.

    ``relay`` is the mail relay that the configuration names; without one nobody is told by mail.
    """

    def __init__(
        self,
        directory: Path,
        doors: Doors,
        daemon: Daemon,
        say: Callable[[str], None],
        relay: Scripted | None = None,
    ) -> None:
        self._directory = directory
        self._doors = doors
        self._daemon = daemon
        self._say = say
        self._commands = Commands(directory, say)
        self._relay = relay

    def tell(self) -> None:
        """All of it; about seven seconds."""
        self._seen()
        self._asked_leave()
        self._objected()
        self._knocked()
        self._refused()
        if self._relay:
            Telling(self._relay, self._daemon.url("answers"), self._commands, self._say).tell()
        self._proved()
        # The metrics, which are shown next, are told each second.
        until(self._counted, "the metrics know nothing of what was done last")

    def _counted(self) -> bool:
        shown = fetched(self._daemon.metrics_url)
        return _REFUSED not in shown and (self._relay is None or all(each in shown for each in COUNTED))

    def _seen(self) -> None:
        """Three customers, by looking alone."""
        self._say(screens.heading("Three customers"))
        self._say(screens.SEEN.format(port=self._doors[OPTICIAN].port))
        self._say(screens.customers(self._found()) + "\n")
        self._say(screens.NOT_SHOWN)

    def _asked_leave(self) -> None:
        """The operator's books, the announcement, and what two customers signed."""
        self._say(screens.heading("Asking leave"))
        self._say(screens.SAFE)
        self._commands.run("kill-switch", "on")
        self._prepared()
        self._say(screens.TOLD)
        self._commands.run("import", "csv", self._commands.path("customers.csv"), "--source", "crm")
        sent, refs = ago(time.time(), _TOLD_AGO), [one.ref for one in CUSTOMERS]
        words = ["--customers", *refs, "--channel", "mail", "--sent-at", sent, "--delivered", "yes"]
        self._commands.run("consent", "announce", "record", *words, "--document", self._commands.path(_MAIL))
        self._commands.run(
            "import", "csv", self._commands.path("contacts.csv"), "--what", "contacts", "--source", "crm"
        )
        self._say(screens.AGREED)
        for one in (OPTICIAN, BOOKSHOP):
            self._commands.run("consent", "give", self._commands.path(papers.agreement(one)), most="\nhash")

    def _prepared(self) -> None:
        """Texts and probing.txt are made, and taken for published: for that it takes a web server, and somebody."""
        from agent.orders import ordered

        quietly, path = self._commands.quietly, self._commands.path
        quietly("consent", "announce", "render", "--lang", "en", "--out", path(papers.TEXTS))
        documents = path(f"{papers.TEXTS}/documents.csv")
        quietly("import", "csv", documents, "--what", "documents", "--source", "texts")
        quietly("probing", "text", "--out", path("probing.txt"))
        options = Namespace(config=path(papers.CONFIG), state=None, control=None)
        list(ordered(options, "probing.checked", {"text": (self._directory / "probing.txt").read_text()}))
        papers.signed(self._directory, self._doors)

    def _objected(self) -> None:
        """The bookshop says no, by the socket where customers do."""
        self._say(screens.SECOND_THOUGHTS)
        url, said = f"{self._daemon.url('answers')}/objections", {"token": token(BOOKSHOP.ref)}
        self._say(f"$ curl --silent --json '{json.dumps(said)}' {url} | jq -r .en")
        begun = time.monotonic()
        try:
            answer = posted(url, said)
        except (OSError, ValueError) as error:
            raise FailedError(f"{url}: {error}") from None
        seconds = time.monotonic() - begun
        if answer.get("status") != "noted":
            raise FailedError(f"{url}: {answer}")
        self._say(screens.answered(answer["en"], seconds, self._effect()))
        self._commands.run("consent", "list")

    def _effect(self) -> float:
        """Seconds from the objection's coming in to its being in force everywhere, as the daemon measured it."""
        name = "knockfirst_objection_effect_seconds"
        values = until(lambda: self._metrics(f"{name}_count"), "the objection is not in force")
        return float(values[f"{name}_sum"] / values[f"{name}_count"])

    def _metrics(self, name: str) -> dict[str, float] | None:
        """The metrics without labels, once this one is not 0."""
        values = screens.values(fetched(self._daemon.metrics_url))
        return values if values.get(name) else None

    def _knocked(self) -> None:
        """Who agreed is asked, and the build becomes exact."""
        before = self._found()[OPTICIAN.address]
        self._say(screens.heading("Knocking"))
        self._say(screens.KNOCK)
        self._commands.run(*self._probe(OPTICIAN), code=1, most="\n")
        self._commands.run("kill-switch", "off")
        self._asked()
        self._say(screens.SENT)
        self._say(screens.request(self._doors[OPTICIAN].requests))
        after = until(self._exact, "the answer did not sharpen the assessment")
        self._say(screens.sharpened(before, after))

    def _asked(self) -> None:
        """The optician is knocked at by order, or the daemon has come to him by itself at that very moment."""
        try:
            said = self._commands.run(*self._probe(OPTICIAN))
        except FailedError as error:
            # Leave was given to it then, which is before it is at the door.
            until(lambda: self._doors[OPTICIAN].visits, str(error))
            until(self._exact, "nothing was heard of the probe")
            said = self._commands.run("probe", "list").replace(" confirmed ", "\nconfirmed: ")
        if "\nconfirmed: " not in said:
            raise FailedError(f"the probe did not come to what it was sent for: {said}")

    def _refused(self) -> None:
        """The others are asked for by hand too, in vain."""
        self._say(screens.OTHERS)
        for one in (LIBRARY, BOOKSHOP):
            self._commands.quietly(*self._probe(one), code=1)
            where = (one.address, "--port", str(self._doors[one].port))
            self._commands.run("consent", "explain", *where, most="\n\n")
        self._say(screens.counted({one: door.visits for one, door in self._doors.items()}))

    def _proved(self) -> None:
        """The optician gets his part of the log, and checks it with what needs nothing of ours."""
        self._say(screens.heading("Showing what was done"))
        self._say(screens.PROOF)
        file = self._directory / "proof.json"
        self._commands.run("audit", "prove", "--customer", OPTICIAN.ref, "--out", str(file), most="; he checks")
        holds, said = proof.checked(file)
        self._say("$ python3 verify.py proof.json\n" + screens.verified(said))
        changed, refused = proof.checked(proof.tampered(file, OPTICIAN.address, LIBRARY.address))
        if changed or not holds:
            raise FailedError(f"the verifier is wrong: {said}{refused}")
        self._say(screens.TAMPERED + f"$ python3 verify.py changed-proof.json\n{refused}")

    def _probe(self, one: Customer) -> tuple[str, ...]:
        return "probe", one.address, "--port", str(self._doors[one].port)

    def _found(self) -> dict[str, dict[str, Any]]:
        """What is believed of every server, by its address."""
        return {str(each["address"]): each for each in self._daemon.assessments()}

    def _exact(self) -> dict[str, Any] | None:
        said = self._found()[OPTICIAN.address]
        return said if said["build"] and said["build"]["low"] == said["build"]["high"] else None
