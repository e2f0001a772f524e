"""What a change sets off: it has taken effect when the last of those who were told has answered or has gone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from agent.effects import Effects


class World:
    def __init__(self) -> None:
        self.now = 100.0
        self.took: list[float] = []
        self.effects = Effects(lambda: self.now, self.took.append)


def test_a_change_that_concerns_nobody_is_in_force_at_once() -> None:
    world = World()
    world.effects.begin(99.5, {})
    assert (world.took, len(world.effects)) == ([0.5], 0)


def test_it_takes_as_long_as_the_last() -> None:
    world = World()
    world.effects.begin(100.0, {"prober": 1, "capture": 7})
    world.now = 100.2
    world.effects.answered("capture", 7)
    assert (world.took, len(world.effects)) == ([], 1)
    world.now = 101.0
    world.effects.answered("prober", 1)
    assert (world.took, len(world.effects)) == ([1.0], 0)


def test_an_answer_is_one_to_those_before_too_and_to_none_after() -> None:
    world = World()
    for number in (1, 2, 3):
        world.effects.begin(100.0, {"capture": number})
    world.effects.answered("capture", 2)
    assert len(world.took) == 2 and len(world.effects) == 1
    world.effects.answered("capture", 2)
    assert len(world.took) == 2


def test_whoever_was_not_told_cannot_answer() -> None:
    world = World()
    world.effects.begin(100.0, {"capture": 1})
    world.effects.answered("prober", 99)
    assert (world.took, len(world.effects)) == ([], 1)


def test_who_has_gone_does_nothing_any_more() -> None:
    world = World()
    world.effects.begin(100.0, {"prober": 1, "capture": 1})
    world.effects.gone("prober")
    assert world.took == []
    world.now += 0.1
    world.effects.gone("capture")
    assert len(world.took) == 1 and len(world.effects) == 0


PEERS = ("prober", "capture", "another")
WORDS = st.one_of(
    st.tuples(st.just("begin"), st.dictionaries(st.sampled_from(PEERS), st.just(0), max_size=3)),
    st.tuples(st.just("answered"), st.sampled_from(PEERS)),
    st.tuples(st.just("gone"), st.sampled_from(PEERS)),
)


@given(st.lists(WORDS, max_size=40))
def test_each_change_is_told_once_and_no_sooner_than_all_have_answered(words: list[tuple[str, object]]) -> None:
    """Held against the obvious: a list of who is still to answer to what."""
    world = World()
    numbers = dict.fromkeys(PEERS, 0)
    model: list[tuple[float, dict[str, int]]] = []
    expected: list[float] = []
    for word, said in words:
        world.now += 1.0
        if word == "begin":
            assert isinstance(said, dict)
            for peer in said:
                numbers[peer] += 1
            waiting = {peer: numbers[peer] for peer in said}
            model.append((world.now - 0.5, waiting))
            world.effects.begin(world.now - 0.5, waiting)
        elif word == "answered":
            assert isinstance(said, str)
            model = [(at, {p: n for p, n in w.items() if p != said or n > numbers[said]}) for at, w in model]
            world.effects.answered(said, numbers[said])
        else:
            model = [(at, {p: n for p, n in w.items() if p != said}) for at, w in model]
            world.effects.gone(said)
        expected += [world.now - at for at, w in model if not w]
        model = [(at, w) for at, w in model if w]
        assert (world.took, len(world.effects)) == (expected, len(model))
