"""Statuses: what the error answers of model endpoints mean, whoever wrote the server.

Which statuses may pass by themselves stands in `transforms.attempts.LATER`, for all of the web. Here stand those that
mean that the set-up is wrong, the codes that tell a refused content from a wrong request, and how messages are shaped.
"""

from __future__ import annotations

import json
from typing import Final

SET_UP: Final = {
    401: "the key is not accepted; let key_env name the environment variable that holds a valid one",
    402: "the account has no credit left",
    403: "the key may not use this model; choose another key (key_env) or model",
    404: "no such model or address; check model, and that url goes up to /v1 and no further",
    405: "no such address; check that url goes up to /v1 and no further",
}
"""Statuses that no element can change: the set-up is wrong."""
NO_CREDIT: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Error codes of OpenAI that come with 429 and that no waiting mends."""
REFUSED: Final = frozenset({"content_filter", "content_policy_violation", "moderation_blocked"})
"""Error codes of OpenAI and Azure for content they will not look at."""


def read_error(text: str) -> tuple[str, str]:
    """Code and message of an error answer in any of the usual shapes; what has none is its own message."""
    try:
        found = json.loads(text)
    except ValueError:
        return "", text
    error = found.get("error", found) if isinstance(found, dict) else found
    if not isinstance(error, dict):
        return "", str(error)
    message = error.get("message") or error.get("detail") or ""
    return str(error.get("code") or error.get("type") or ""), str(message)
