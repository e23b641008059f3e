"""Failures: what can be wrong with one element, in words a person can act on.

A failing element becomes one row of the `failures` table and stops nothing but itself. Its class is one of a small
fixed set, so that a report can group by it; its message says what was wrong, where, and what to do.
"""

from __future__ import annotations

import traceback as _traceback
from typing import Final

CLASSES: Final[dict[str, str]] = {
    "unreachable": "The address does not answer or holds nothing: check the URI, the network and the credentials.",
    "forbidden_address": "A private, loopback or link-local address: if it is yours, add --allow-private-addresses.",
    "unreadable": "The file exists but may not be read: check its permissions.",
    "too_large": "The source is over the limit that was set: raise --max-source-gb if it is wanted.",
    "empty": "The file has no bytes: fetch it again.",
    "bad_list": "A row of a list names no usable uri: mend the row.",
    "not_media": "No allowed container format recognises the bytes: check that it is media; playlists are refused.",
    "no_streams": "The container holds neither video nor audio: an initialisation segment or metadata alone.",
    "unsupported_codec": "No decoder for the codec in this build: transcode the source.",
    "encrypted": "The samples are encrypted: supply the clear file.",
    "damaged": "The container or the stream is broken so far that nothing can be decoded: fetch it again or mend it.",
    "timed_out": "The work took longer than its limit: raise --time-limit if the source is sound.",
    "crashed": "The decoder died: the source is unsafe to decode with this build.",
    "out_of_memory": "The work went over its memory limit: raise --memory-limit-mb if the source is sound.",
    "changed": "The source changed while it was read: run again when it is complete.",
    "storage": "Reading or writing the store failed after retries: check space and permissions.",
    "over_budget": "A clip file had no room left: raise --clip-bytes-budget or free some space, and run again.",
    "bad_copy": "A text cannot be set: no font has its letters, or its place is too small: shorten it or add a font.",
    "bad_take": "What an engine made failed its checks as often as it may: see its gates, and change the words.",
    "not_made": "A request was refused, failed, or waits for a person: `rushes generate` tells which, and why.",
    "internal": "A fault of this program: please report it with the traceback.",
}
"""Every failure class, with what a person can do about it."""


class ElementError(Exception):
    """One element cannot be used. Carries a class out of `CLASSES` and a message for a person.

    Args:
        error_class: One of `CLASSES`.
        message: What was wrong and where, in one line; the class's own advice is not repeated.

    Attributes:
        attempts: How often it was tried.
    """

    attempts = 1

    def __init__(self, error_class: str, message: str) -> None:
        if error_class not in CLASSES:
            raise ValueError(f"unknown failure class {error_class!r}")
        super().__init__(error_class, message)
        self.error_class = error_class
        self.message = message

    def __str__(self) -> str:
        return f"{self.error_class}: {self.message}"


def short_traceback(error: BaseException, limit: int = 4000) -> str:
    """The end of an exception's traceback, at most `limit` characters."""
    return "".join(_traceback.format_exception(error))[-limit:]
