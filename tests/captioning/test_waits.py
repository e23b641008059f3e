"""How long the headers of an answer ask to wait."""

from __future__ import annotations

import email.utils

import pytest

from captioning.waits import limit_reached, read_duration, retry_after

NOW = 1_700_000_000.0


def date(at: float) -> str:
    return email.utils.formatdate(at, usegmt=True)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1s", 1.0),
        ("6m0s", 360.0),
        ("120ms", 0.12),
        ("1h2m3.5s", 3723.5),
        ("2d", 172800.0),
        (" 8.64S ", 8.64),
        ("20", 20.0),
        ("0.5", 0.5),
        ("0", 0.0),
        ("", None),
        ("soon", None),
        ("-1s", None),
        ("1s later", None),
        ("s", None),
        ("nan", None),
    ],
)
def test_durations(text, seconds):
    assert read_duration(text) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"Retry-After": "0.5"}, 0.5),
        ({"Retry-After": date(NOW + 90)}, 90.0),
        ({"Retry-After": date(NOW - 90)}, 0.0),
        # The clock of the endpoint is an hour ahead of ours: what counts is the difference of its own times.
        ({"Retry-After": date(NOW + 3605), "Date": date(NOW + 3600)}, 5.0),
        ({"Retry-After": "soon"}, None),
        ({"Retry-After": "-5"}, None),
        ({"Retry-After": "inf"}, None),
    ],
)
def test_retry_after(headers, seconds):
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 0.0),
        ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "6m0s"}, 360.0),
        ({"x-ratelimit-remaining-requests": "1", "x-ratelimit-reset-requests": "6m0s"}, 0.0),
        ({"x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "88ms"}, 0.088),
        ({"x-ratelimit-remaining-requests": "0"}, 0.0),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "1s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "2s",
            },
            2.0,
        ),
    ],
)
def test_limits(headers, seconds):
    assert limit_reached(headers) == pytest.approx(seconds)
