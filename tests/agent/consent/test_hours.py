"""A customer's hours: days, minutes, nights, time zones, and the two days of the year when the clock jumps."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.consent import hours, reading
from agent.consent.state import Hours, Scope

AMSTERDAM = "Europe/Amsterdam"


def scope(*written: str, zone: str = AMSTERDAM) -> Scope:
    return Scope((), (), (), (), tuple(map(reading.hours, written)), zone, 1)


def utc(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


# Hours, zone, a time in UTC -> whether they are open. 2026-11-24 is a Tuesday.
TABLE = (
    ("Mon-Fri 09:00-17:00", AMSTERDAM, "2026-11-24T08:00", True),
    ("Mon-Fri 09:00-17:00", AMSTERDAM, "2026-11-24T07:59:59.999", False),
    ("Mon-Fri 09:00-17:00", AMSTERDAM, "2026-11-24T15:59:59.999", True),
    ("Mon-Fri 09:00-17:00", AMSTERDAM, "2026-11-24T16:00", False),
    ("Mon-Fri 09:00-17:00", AMSTERDAM, "2026-07-07T07:00", True),  # summer: two hours ahead
    ("Mon-Fri 09:00-17:00", AMSTERDAM, "2026-07-07T15:00", False),
    ("Mon-Fri 09:00-17:00", AMSTERDAM, "2026-11-28T10:00", False),  # a Saturday
    ("Sat,Sun 09:00-17:00", AMSTERDAM, "2026-11-28T10:00", True),
    ("daily 00:00-24:00", AMSTERDAM, "2026-11-24T23:30", True),
    ("daily 09:00-09:00", AMSTERDAM, "2026-11-24T03:00", True),  # to the same minute of the next day
    ("Fri 22:00-06:00", AMSTERDAM, "2026-11-27T21:00", True),
    ("Fri 22:00-06:00", AMSTERDAM, "2026-11-28T04:59", True),  # Saturday morning is of Friday's night
    ("Fri 22:00-06:00", AMSTERDAM, "2026-11-28T05:00", False),
    ("Fri 22:00-06:00", AMSTERDAM, "2026-11-27T04:59", False),  # Friday morning is of Thursday's
    ("Sun 22:00-06:00", AMSTERDAM, "2026-11-30T04:00", True),  # over the end of the week
    ("Tue 00:00-01:00", "Pacific/Kiritimati", "2026-11-23T10:30", True),  # fourteen hours ahead
    ("Mon 23:00-24:00", "Pacific/Pago_Pago", "2026-11-24T10:30", True),  # eleven behind
    ("Tue 12:00-12:30", "Asia/Kathmandu", "2026-11-24T06:15", True),  # 5:45 ahead
    ("daily 00:00-24:00", "Europe/Nowhere", "2026-11-24T12:00", False),
    ("daily 00:00-24:00", "../../etc/passwd", "2026-11-24T12:00", False),
    # 2026-03-29 02:00 becomes 03:00: what is between does not come.
    ("Sun 02:00-03:00", AMSTERDAM, "2026-03-29T00:59", False),
    ("Sun 02:00-03:00", AMSTERDAM, "2026-03-29T01:00", False),
    ("Sun 01:00-04:00", AMSTERDAM, "2026-03-29T01:00", True),
    # 2026-10-25 03:00 becomes 02:00: what is between comes twice.
    ("Sun 02:00-03:00", AMSTERDAM, "2026-10-25T00:30", True),
    ("Sun 02:00-03:00", AMSTERDAM, "2026-10-25T01:30", True),
    ("Sun 02:00-03:00", AMSTERDAM, "2026-10-25T02:00", False),
)


@pytest.mark.parametrize(("written", "zone", "time", "is_open"), TABLE)
def test_open(written: str, zone: str, time: str, is_open: bool) -> None:
    assert hours.is_open(scope(written, zone=zone), utc(time)) is is_open


def test_no_hours_are_none() -> None:
    assert not hours.is_open(scope(), utc("2026-11-24T12:00"))
    assert hours.next_open(scope(), utc("2026-11-24T12:00")) is None


@pytest.mark.parametrize("time", [float("nan"), float("inf"), float("-inf"), 1e30])
def test_a_time_that_is_none_is_in_no_hours(time: float) -> None:
    assert not hours.is_open(scope("daily 00:00-24:00"), time)
    assert hours.next_open(scope("daily 00:00-24:00"), time) is None


@pytest.mark.parametrize(
    ("written", "time", "begins"),
    [
        ("Mon-Fri 09:00-17:00", "2026-11-24T12:00", "2026-11-24T12:00"),
        ("Mon-Fri 09:00-17:00", "2026-11-24T17:00", "2026-11-25T08:00"),
        ("Mon-Fri 09:00-17:00", "2026-11-27T17:00", "2026-11-30T08:00"),
        ("Tue 09:00-09:01", "2026-11-24T09:00", "2026-12-01T08:00"),
        ("Sun 02:30-03:30", "2026-03-28T12:00", "2026-03-29T01:00"),  # when the clock shows 03:00, at once after 01:59
        ("Sun 02:00-03:00", "2026-10-25T02:00", "2026-11-01T01:00"),
    ],
)
def test_next(written: str, time: str, begins: str) -> None:
    assert hours.next_open(scope(written), utc(time)) == utc(begins)


_days = st.frozensets(st.integers(0, 6), min_size=1)
_hours = st.lists(st.builds(Hours, _days, st.integers(0, 1439), st.integers(0, 1440)), max_size=3)
_times = st.integers(int(utc("2026-01-01")), int(utc("2027-12-31"))).map(float)
_zones = st.sampled_from((AMSTERDAM, "UTC", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"))


@given(_hours, _times, _zones)
def test_as_said_minute_by_minute(written: list[Hours], time: float, zone: str) -> None:
    """Of every hour: the minutes from its start to its end, written out, of each of its days."""
    local = datetime.fromtimestamp(time, ZoneInfo(zone))
    shown = (local.weekday() * 1440 + local.hour * 60 + local.minute) % 10_080
    open_minutes = {
        (day * 1440 + start + minute) % 10_080
        for days, start, end in written
        for day in days
        for minute in range(end - start if end > start else end - start + 1440)
    }
    made = Scope((), (), (), (), tuple(written), zone, 1)
    assert hours.is_open(made, time) is (shown in open_minutes)


@settings(deadline=None)
@given(_hours, _times, _zones)
def test_the_next_is_open_and_none_is_sooner(written: list[Hours], time: float, zone: str) -> None:
    made = Scope((), (), (), (), tuple(written), zone, 1)
    found = hours.next_open(made, time)
    end = time + 8 * 86_400 if found is None else found
    assert found is None or hours.is_open(made, found)
    # Nothing of hours is shorter than a minute, so that no opening is missed by looking each minute.
    assert not any(hours.is_open(made, at) for at in range(int(time // 60 * 60) + 60, int(end), 60))


def test_words() -> None:
    told = hours.text((reading.hours("Mon-Fri 09:00-17:00"), reading.hours("daily 22:00-06:00")), AMSTERDAM)
    assert told == "Mon,Tue,Wed,Thu,Fri 09:00-17:00; daily 22:00-06:00 (Europe/Amsterdam)"
