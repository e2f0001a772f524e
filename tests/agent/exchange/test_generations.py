"""What contradicting evidence leaves of a generation."""

from __future__ import annotations

import pytest

from agent.build import Generation, generation_of
from agent.exchange.assess import judge
from agent.exchange.catalogue import catalogue
from tests.belief import build, evidence

UP_TO_2013: tuple[Generation, ...] = ("2007", "2010", "2013")
FROM_2013: tuple[Generation, ...] = ("2013", "2016", "2019", "SE")
FROM_2019: tuple[Generation, ...] = ("2019", "SE")


@pytest.mark.parametrize("weights", [(9.0, 5.0, 1.0), (5.0, 9.0, 1.0), (5.0, 5.0, 5.0)])
def test_two_bounds_prove_nothing_against_a_third(weights: tuple[float, float, float]) -> None:
    """IIS 7.5 and a front end's name leave only 2013; where NTLM shows Windows 2019, one of the three is wrong."""
    claims = (UP_TO_2013, FROM_2013, FROM_2019)
    belief = judge(
        [
            evidence(name, weight, "exchange", generations=generations)
            for name, weight, generations in zip("abc", weights, claims, strict=True)
        ],
        catalogue(),
    )
    assert belief.generation is None
    assert belief.notes
    assert belief.build
    assert (generation_of(belief.build.low), generation_of(belief.build.high)) == ("2013", "SE")
    assert belief.build.precision == "product"


@pytest.mark.parametrize("said", [{"generations": ("2013",)}, {"shown": build("15.0.1497.48")}])
def test_what_one_claim_names_alone_stands(said: dict[str, object]) -> None:
    belief = judge([
        evidence("named", 9.0, "exchange", **said),  # type: ignore[arg-type]
        evidence("bound", 5.0, "exchange", generations=UP_TO_2013),
        evidence("other", 1.0, "exchange", generations=FROM_2019),
    ])  # fmt: skip
    assert belief.generation == "2013"
    assert belief.notes == ("other speaks for 2019 or SE, against the stronger evidence",)
