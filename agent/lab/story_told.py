"""The part of the demo's story in which the optician is told what was found at his, and answers.

Case and mail are the daemon's own doing: all that is done here is to wait for them, and to answer by the mail's link.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from agent.lab import story_mail as mails
from agent.lab import story_papers as papers
from agent.lab import story_screens as screens
from agent.lab.scrape import fetched
from agent.lab.story_cast import OPTICIAN
from agent.lab.story_commands import FailedError, posted, until, wrapped

if TYPE_CHECKING:
    from collections.abc import Callable

    from agent.lab.relay import Scripted
    from agent.lab.story_commands import Commands

_ANSWER = "fixed"
# What the metrics show in the end, of which the demo shows some.
COUNTED = (
    'knockfirst_cases{severity="critical",state="fixed_claimed"} 1.0',
    'knockfirst_notices_total{channel="mail",outcome="sent",step="tell"} 1.0',
    f'knockfirst_notice_answers_total{{answer="{_ANSWER}"}} 1.0',
)


class Telling(NamedTuple):
    """``relay`` takes the mail; ``answers`` is where customers answer (URL); ``say`` shows a screen."""

    relay: Scripted
    answers: str
    commands: Commands
    say: Callable[[str], None]

    def tell(self) -> None:
        """All of it; about two seconds. Raises FailedError."""
        self.say(screens.heading("Telling the customer"))
        self.say(screens.FOUND)
        until(lambda: self.relay.mails, "nobody was told of what the probe has learnt")
        until(self._sent, "what became of the mail is not on record")
        self.commands.run("cases", "list")
        mail = self._arrived()
        self._answered(mail.link(_ANSWER))
        until(self._logged, "the log does not have what was told and answered")

    def _sent(self) -> bool:
        """Whether the daemon knows that the relay has taken the mail."""
        told = json.loads(self.commands.quietly("notices", "status", "--json"))
        return any(each["count"] for each in told["notices"] if each["outcome"] == "sent")

    def _logged(self) -> bool:
        """Whether all of it is in the log, of which the optician gets his part next."""
        written = self.commands.quietly("audit", "export")
        return all(f'"{kind}"' in written for kind in ("notice.sent", "case.answered"))

    def _arrived(self) -> mails.Arrived:
        """The mail, and to whom it went: to the one contact that the optician has named for it."""
        to = papers.mail_contact(self.commands.path(papers.agreement(OPTICIAN)))
        named = [line for line in self.relay.said if line.upper().startswith("RCPT")]
        if len(self.relay.mails) != 1 or [mails.recipient(line) for line in named] != [to]:
            raise FailedError(f"not one mail to {to}, but {len(self.relay.mails)}: {', '.join(named)}")
        mail = mails.arrived(self.relay.mails[0])
        self.say(screens.MAIL + mail.shown())
        self.say(screens.only_to(to, mail.others))
        return mail

    def _answered(self, link: str) -> None:
        """He opens the link, which changes nothing, and presses a button."""
        url = self._translated(link)
        self.say(screens.LINK.format(base=papers.PUBLIC_URL))
        self.say(f"$ curl --silent {url}")
        try:
            self.say(mails.page(fetched(url)))
            said = {"action": _ANSWER}
            typed = f"curl --silent --json '{json.dumps(said, separators=(',', ':'))}' {url} | jq -r .en"
            self.say(f"$ {wrapped(typed)}")
            answer = posted(url, said)
        except (OSError, ValueError) as error:
            raise FailedError(f"{url}: {error}") from None
        if answer.get("status") != "done":
            raise FailedError(f"{url}: {answer}")
        self.say(f"{answer['en']}\n\n{screens.BY_LINK}")
        cases = self.commands.quietly("cases", "list", "--json").splitlines()
        if len(cases) != 1:
            raise FailedError(f"there is not one case, but {len(cases)}")
        self.commands.run("cases", "show", json.loads(cases[0])["id"])
        self.say(screens.CLAIMED)

    def _translated(self, link: str) -> str:
        """Where the provider's web server would pass a request for the link on to."""
        base = papers.PUBLIC_URL.rstrip("/")
        if not link.startswith(f"{base}/"):
            raise FailedError(f"the mail's link leads elsewhere: {link}")
        return self.answers + link.removeprefix(base).partition("#")[0]
