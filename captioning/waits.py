"""Waits: how long the headers of an answer ask to wait, in seconds.

Two dialects: Retry-After (RFC 9110), which is a number or a date, and the rate-limit headers that OpenAI sends and
others copied, which say what remains of a limit and when it resets. What cannot be read asks for nothing.
"""

from __future__ import annotations

import email.utils
import re
from collections.abc import Mapping
from typing import Final

_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION: Final = re.compile(r"(\d+(?:\.\d*)?)(ms|s|m|h|d)")
_NUMBER: Final = re.compile(r"\d+(?:\.\d*)?")


def read_duration(text: str) -> float | None:
    """Seconds of a rate-limit header: `1s`, `6m0s`, `120ms`, `1h2m3.5s`, or a bare number; None for anything else."""
    text = text.strip().lower()
    if _NUMBER.fullmatch(text):
        return float(text)
    parts = _DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in parts)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that Retry-After asks to wait (RFC 9110, 10.2.3), never negative; None where it says nothing usable.

    Args:
        headers: Headers of the answer.
        now: Unix time, for a date; the answer's own Date is preferred, because clocks differ.
    """
    text = headers.get("Retry-After", "").strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    if (until := _unix_time(text)) is None:
        return None
    sent = _unix_time(headers.get("Date", ""))
    return max(0.0, until - (now if sent is None else sent))


def _unix_time(date: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


def limit_reached(headers: Mapping[str, str]) -> float:
    """Seconds until a used-up rate limit resets, as OpenAI's headers say it; 0 while something remains."""
    waits = [0.0]
    for what in ("requests", "tokens"):
        if headers.get(f"x-ratelimit-remaining-{what}", "").strip() == "0":
            waits.append(read_duration(headers.get(f"x-ratelimit-reset-{what}", "")) or 0.0)
    return max(waits)
