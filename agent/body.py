"""What the models of messages have in common: a closed object, and the types that many of its fields have."""

from __future__ import annotations

from socket import AF_INET, AF_INET6, inet_ntop, inet_pton
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from agent.model import KINDS

MAX_VALUE = 16 << 10  # characters of one observation's value
MAX_BATCH = 256  # observations in one message
MAX_COUNTERS = 256
MAX_INTERFACES = 64


def canonical(text: str) -> str:
    family = AF_INET6 if ":" in text else AF_INET
    try:
        canonical = inet_ntop(family, inet_pton(family, text))
    except OSError:
        raise ValueError("is not an address") from None
    if canonical != text:
        raise ValueError("is not an address in its canonical form")
    return text


def kind(text: str) -> str:
    if text not in KINDS:
        raise ValueError("is not a kind of observation")
    return text


Counter = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.]{0,63}$")]
Count = Annotated[int, Field(ge=0, lt=1 << 63)]
Label = Annotated[str, Field(max_length=64)]
Time = Annotated[float, Field(ge=0, le=1e11, allow_inf_nan=False)]


class Body(BaseModel):
    """A message's object: the keys it has and no others, each of exactly its type."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Gauge = Annotated[float, Field(allow_inf_nan=False)]
Id = Annotated[str, Field(pattern=r"^[0-9a-f-]{8,64}$")]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Address = Annotated[str, Field(max_length=45), AfterValidator(canonical)]
Port = Annotated[int, Field(ge=1, le=65_535)]
