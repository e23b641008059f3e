"""Reading: what a `/v1/videos` server's answer means: a job, or one of the engine errors.

The one question behind all of it is whether a paid job may exist. Once a create call was written, only an answer that
refuses it says that there is none; a server's error says nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from captioning.statuses import NO_CREDIT, REFUSED, SET_UP, read_error
from captioning.waits import read_duration, retry_after
from generation.engines.engine import EngineError, Invalid, Job, Refused, Throttled, Unsure
from generation.videos.settings import MICRO
from transforms.addresses import redact_text

SHOWN: Final = 300
"""Characters of a server's own words in a message."""

_STATES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("queued", "pending", "submitted", "created", "waiting", "throttled"), "queued"),
    **dict.fromkeys(("in_progress", "running", "processing", "generating"), "running"),
    **dict.fromkeys(("completed", "succeeded", "success", "done"), "done"),
    **dict.fromkeys(("failed", "error", "cancelled", "canceled"), "failed"),
    "expired": "expired",
}
"""States of jobs, by the words of this format's servers and gateways."""
_MODERATION: Final = REFUSED | {"sentinel_block", "content_blocked", "content_moderation", "policy_violation"}
_MODERATION_STARTS: Final = ("safety.", "moderation")
_OUTPUTS: Final = ("data", "videos", "outputs", "generations")
"""Fields in which gateways list what a job made: done and an empty list is nothing made."""
_MAYBE: Final = frozenset({408, 409})
"""Client errors after which a job may exist: a request that timed out half-way, and one that is there already."""


def job_of(body: Any, headers: Mapping[str, str], now: float) -> Job | None:
    """A job out of an answer; None: it has none.

    Args:
        body: The decoded JSON.
        headers: Of the answer, for when to ask again.
        now: Seconds since 1970.
    """
    if not isinstance(body, dict) or not isinstance(job_id := body.get("id"), str) or not job_id:
        return None
    word = body.get("status")
    state = _STATES.get(str(word).lower()) if word is not None else "queued"
    code, message = read_failure(body.get("error"))
    if state is None:
        state, message = "failed", f"unknown status {clean(str(word), '')!r}{message and ': '}{message}"
    elif state == "failed":
        message = message or clean(str(word), "")
        state = "filtered" if is_moderation(code) else state
    elif state == "done" and nothing_made(body):
        state, message = "filtered", message or "done, and nothing was made"
    return Job(
        job_id=job_id,
        state=state,
        progress=_progress(body.get("progress"), state),
        code=code,
        message=message,
        cost=_cost(body),
        poll_after=_poll_after(headers, now),
    )


def refusal(status: int, headers: Mapping[str, str], text: str, secret: str, now: float) -> EngineError:
    """The error that a create call's status means.

    Args:
        status: Not 2xx.
        headers: Of the answer.
        text: Its body.
        secret: The key, which no message may hold.
        now: Seconds since 1970.
    """
    code, said = read_error(text)
    said, after = clean(said, secret), retry_after(headers, now)
    words = f"status {status}{said and ': '}{said}"
    if is_moderation(code):
        return Refused(words, code)
    if code in NO_CREDIT:
        return Invalid(f"status {status}: {SET_UP[402]}", code)
    if status in (425, 429) or (status == 503 and after is not None):
        return Throttled(words, code, after)
    if status >= 500 or status in _MAYBE:
        return Unsure(words, code)
    if 300 <= status < 400:
        return Invalid(f"status {status}: the server has moved; set url to where it is now", code)
    # What a server says of a key may hold some of it.
    return Invalid(f"status {status}: {SET_UP[status]}" if status in (401, 402, 403) else words, code)


def read_failure(error: Any) -> tuple[str, str]:
    """Code and message of a failed job."""
    if isinstance(error, str):
        return "", clean(error, "")
    if not isinstance(error, dict):
        return "", ""
    code = error.get("code") or error.get("type") or ""
    return clean(str(code), ""), clean(str(error.get("message") or ""), "")


def is_moderation(code: str) -> bool:
    """Whether an error's code says that the content was refused."""
    lowered = code.lower()
    return lowered in _MODERATION or lowered.startswith(_MODERATION_STARTS)


def nothing_made(body: Mapping[str, Any]) -> bool:
    """Whether a job that is done says itself that nothing came of it."""
    return any(body.get(name) == [] for name in _OUTPUTS)


def clean(text: str, secret: str) -> str:
    """A server's words in one line, without addresses' secrets and without the key."""
    if secret:
        text = text.replace(secret, "***")
    return re.sub(r"\s+", " ", redact_text(text)).strip()[:SHOWN]


def _progress(value: Any, state: str) -> float:
    if state == "done":
        return 1.0
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    return min(1.0, max(0.0, value / 100))


def _cost(body: Mapping[str, Any]) -> int | None:
    """What gateways say that a job cost, in units of the currency."""
    usage = body.get("usage")
    for place in (usage if isinstance(usage, dict) else {}, body):
        value = place.get("cost")
        if isinstance(value, (int, float, str)) and not isinstance(value, bool):
            try:
                amount = Decimal(str(value)) * MICRO
            except InvalidOperation:
                continue
            if amount.is_finite() and amount >= 0:
                return round(amount)
    return None


def _poll_after(headers: Mapping[str, str], now: float) -> float | None:
    said = headers.get("openai-poll-after-ms", "")
    if said and (millis := read_duration(f"{said}ms")) is not None:
        return millis
    return retry_after(headers, now)
