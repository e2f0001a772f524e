"""Families as text, in both forms that Prometheus reads: what prometheus_client makes of them, in half of the time.

A scrape with series of each server has tens of thousands of samples. The library escapes and checks each part of each;
our names stand in a table, none of our samples has a timestamp, and label values are the same few words throughout.
Text format 0.0.4 and OpenMetrics 1.0. Tests hold both, byte for byte, to what the library writes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.utils import floatToGoString

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry


def plain(families: CollectorRegistry) -> bytes:
    """In the text format."""
    return "".join(_lines(families, openmetrics=False)).encode()


def openmetrics(families: CollectorRegistry) -> bytes:
    """As OpenMetrics."""
    return "".join(_lines(families, openmetrics=True)).encode() + b"# EOF\n"


def _lines(families: CollectorRegistry, *, openmetrics: bool) -> Iterator[str]:
    words: dict[str, str] = {}
    numbers: dict[float, str] = {}
    for family in families.collect():
        name = family.name if openmetrics or family.type != "counter" else f"{family.name}_total"
        text = _escaped(family.documentation)
        yield f"# HELP {name} {text if openmetrics else _unquoted(family.documentation)}\n"
        yield f"# TYPE {name} {family.type}\n"
        for sample in family.samples:
            value = numbers.get(sample.value) if sample.value else _zero(sample.value)
            if value is None:
                value = numbers[sample.value] = floatToGoString(sample.value)  # type: ignore[no-untyped-call]
            if not sample.labels:
                yield f"{sample.name} {value}\n"
                continue
            parts = []
            for label, word in sorted(sample.labels.items()):
                said = words.get(word)
                if said is None:
                    said = words[word] = _escaped(word)
                parts.append(f'{label}="{said}"')
            yield f"{sample.name}{{{','.join(parts)}}} {value}\n"


def _zero(value: float) -> str:
    """Of which there are two, equal to each other."""
    return "-0.0" if str(value).startswith("-") else "0.0"


def _unquoted(text: str) -> str:
    """As help of the text format, where a quote is none."""
    return text.replace("\\", r"\\").replace("\n", r"\n")


def _escaped(text: str) -> str:
    return _unquoted(text).replace('"', r"\"")
