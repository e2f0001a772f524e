"""What ``knockfirst consent`` shows on a terminal: the list of customers, and all that is on record of one."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from agent.screen import colour, coloured, printable, table

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS = {
    "in_force": "green",
    "objected": "red",
    "suspended": "red",
    "contract_ended": "grey",
    "lapsed": "yellow",
    "ended": "grey",
    "expired": "yellow",
}
_SHOWN = 8  # of a list in one line
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

Answer = dict[str, Any]


def announced(words: Sequence[str]) -> str:
    """Some of these, and how many more there are."""
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    return f"{', '.join(words[:_SHOWN])}{more}" if words else "nothing"


def list_screen(rows: list[Answer]) -> str:
    if not rows:
        return "no customer"
    on = coloured(sys.stdout)
    lines = [
        [
            row["customer"],
            _state(row["state"], on),
            ", ".join(row["basis"]) or "-",
            day(row["until"]),
            str(row["prefixes"]),
            str(row["objections"]),
        ]
        for row in rows
    ]
    count = f"{len(rows)} customer{'' if len(rows) == 1 else 's'}"
    return f"{table(['customer', 'state', 'basis', 'until', 'prefixes', 'objections'], lines)}\n\n{count}"


def customer_screen(told: dict[str, list[Any]]) -> str:
    """Of the answers to ``consent.show``, gathered by what they are."""
    on = coloured(sys.stdout)
    customer, opens = told["customer"][0], told["opens"][0]
    parts = [f"{customer['ref']}  {customer['subject'] or 'nobody knows what'}  {_state(customer['state'], on)}"]
    parts.append(_opens(opens))
    parts += [_record(record, on) for record in told.get("record", ())]
    parts.append(_lines("told", [_told(each) for each in told.get("announcement", ())]))
    parts.append(_lines("objections", [_objection(each) for each in told.get("objection", ())]))
    parts.append(_lines("mapped", [_mapped(each) for each in told.get("mapped", ())]))
    parts.append(_lines("contacts", [_contact(each) for each in told.get("contact", ())]))
    return "\n\n".join(part for part in parts if part)


def day(moment: str | None) -> str:
    return moment[:10] if moment else "-"


def _state(state: str, on: bool) -> str:
    return colour(state.replace("_", " "), _COLOURS.get(state, ""), on)


def _lines(title: str, lines: list[str]) -> str:
    return "\n".join([title, *(f"  {printable(line)}" for line in lines)]) if lines else ""


def _opens(opens: Answer) -> str:
    lines = [
        f"handshakes are looked at of  {announced(opens['handshakes'])}",
        f"told long enough of          {announced(opens['announced'])}",
        f"not even headers of          {announced(opens['not_even_headers'])}",
    ]
    against = opens["against_probes"]
    lines.append(f"no probe: {'; '.join(against)}" if against else "probes: `consent explain ADDRESS` says whether")
    return _lines("what it opens", lines)


def _record(record: Answer, on: bool) -> str:
    ended = f", ended {record['ended']}" if record["ended"] else ""
    lines = [
        f"basis     {record['basis'].replace('_', ' ')}, verified by {record['verified_by']}",
        f"valid     {day(record['from'])} to {day(record['until'])}, given {record['given']}{ended}",
        f"prefixes  {announced(record['prefixes'])}",
    ]
    if record["excluded"]:
        lines.append(f"not       {announced(record['excluded'])}")
    ports = ", ".join(map(str, record["ports"]))
    lines.append(f"opens     {', '.join(record['tiers'])} on {ports}; {', '.join(record['probes']) or 'no probe'}")
    hours = ", ".join(_hours(*each) for each in record["hours"]) or "no hours"
    lines.append(f"hours     {hours} ({record['zone']}), at most {record['per_day']} a day")
    lines.append(f"hash      {record['hash']}")
    lines += [f"but       {what}" for what in record["lacks"]]
    return f"record {record['id']}  {_state(record['state'], on)}\n" + "\n".join(
        f"  {printable(line)}" for line in lines
    )


def _hours(days: list[int], start: int, end: int) -> str:
    named = "daily" if len(days) == 7 else ",".join(_DAYS[each] for each in days)
    return f"{named} {start // 60:02}:{start % 60:02}-{end // 60:02}:{end % 60:02}"


def _told(each: Answer) -> str:
    counts = f"counts from {each['counts_from']}" if each["counts_from"] else "does not count"
    return f"{each['sent']}  {each['channel'] or '-':8} delivered: {each['delivered']:8} {counts}"


def _objection(each: Answer) -> str:
    to = each["to"] if isinstance(each["to"], str) else announced(each["to"])
    headers = ", headers too" if each["headers"] else ""
    stands = f"lifted {each['lifted']}" if each["lifted"] else "stands"
    return f"{each['id']}  {stands}: to {to}{headers}, made {each['at']}, heard of {each['received']}"


def _mapped(each: Answer) -> str:
    until = f" until {each['until']}" if each["until"] else ""
    return f"{each['prefix']:20} {each['kind']:8} by {each['source']} since {day(each['since'])}{until}"


def _contact(each: Answer) -> str:
    verified = f"verified {day(each['verified_at'])}" if each.get("verified_at") else "not verified"
    return f"{each['role']:9} {each['channel']:7} {each['address']}  ({each['lang']}, {verified})"
