"""Where links lead, and where there are none."""

from __future__ import annotations

import pytest

from agent.cases.links import links
from agent.notice import ACTIONS, Facts
from agent.sections import Config, Consent

TOKEN = "t" * 26


def config(url: str = "https://isp.example/checks/") -> Config:
    return Config(consent=Consent(public_url=url))


def test_every_action_is_a_place_on_one_page() -> None:
    made = links(config(), "tell", TOKEN, ("fixed", "stop"))
    page = f"https://isp.example/checks/answers/{TOKEN}"
    assert made == {"fixed": f"{page}#fixed", "stop": f"{page}#stop"}


@pytest.mark.parametrize(("of", "message"), [(config(url=""), "tell"), (config(), "phone")])
def test_there_is_none_where_it_would_lead_nowhere_or_is_read_out(of: Config, message: str) -> None:
    assert links(of, message, TOKEN, ACTIONS) == {}


def test_the_longest_address_fits_into_the_facts() -> None:
    made = links(config("https://isp.example/" + "a" * 180), "tell", TOKEN, ACTIONS)
    Facts(message="tell", lang="nl", operator="", contact="", customer="C-1", links=made)
