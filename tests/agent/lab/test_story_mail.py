"""How the demo shows a mail and a page: as they are, and where something is left out, that is said."""

from __future__ import annotations

import pytest

from agent.lab import story_mail
from agent.lab.story_commands import FailedError

HOLES = [line for number in range(6) for line in (f"- Hole {number} (CVE-2021-{number}000): open;", "  severity 9.8")]
MAIL = b"""\
To: admin@bakery.example\r
X-Other: value\r
Content-Type: multipart/mixed; boundary=x\r
\r
--x\r
Content-Type: text/plain\r
\r
- It is fixed: https://isp.example/answers/t#fixed\r
--x\r
Content-Type: application/json\r
Content-Disposition: attachment; filename=xarf.json\r
\r
{}\r
--x--\r
"""


@pytest.mark.parametrize(("holes", "left_out"), [(0, 0), (1, 0), (4, 0), (5, 2), (6, 3)])
def test_most_holes_of_a_long_list_are_left_out_and_that_is_said(holes: int, left_out: int) -> None:
    lines = ["- Product: x", *HOLES[: 2 * holes], "", "- It is fixed: https://isp.example"]
    shown = story_mail.shortened(lines)
    note = [f"  [{left_out} more that it lists are not shown here]"] if left_out else []
    assert shown == [*lines[: 1 + 2 * (holes - left_out)], *note, *lines[-2:]]


def test_a_list_that_ends_a_mail() -> None:
    assert story_mail.shortened(HOLES)[-1] == "  [3 more that it lists are not shown here]"


def test_a_mail_is_shown_by_the_headers_that_matter_and_its_plain_text() -> None:
    mail = story_mail.arrived(MAIL)
    assert mail.shown() == "  To: admin@bakery.example\n\n  - It is fixed: https://isp.example/answers/t#fixed\n"
    assert (mail.others, mail.link("fixed")) == (("xarf.json",), "https://isp.example/answers/t#fixed")
    with pytest.raises(FailedError, match="no link for stop"):
        mail.link("stop")
    with pytest.raises(FailedError, match="no plain text"):
        story_mail.arrived(MAIL.replace(b"text/plain", b"text/html"))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("rcpt TO:<admin@bakery.example> NOTIFY=FAILURE", "admin@bakery.example"),
        ("MAIL FROM:<notices@isp.example>", ""),
        ("RCPT", ""),
    ],
)
def test_whom_a_relay_is_told(line: str, expected: str) -> None:
    assert story_mail.recipient(line) == expected


def test_the_english_part_of_a_page_is_read_with_its_buttons() -> None:
    form = '<form method="post"><p id="stop"><button>Stop</button> All of it.</p></form>'
    html = f'<p>Wat?</p>\n<div lang="en">\n<p>What &amp;\nwhy?</p>{form}</div><p>x</p>'
    assert story_mail.page(html) == "  What & why?\n  [ Stop ] All of it.\n"
    with pytest.raises(FailedError, match="in English"):
        story_mail.page("<p>Wat?</p>")
