"""Amounts read well at every size."""

from __future__ import annotations

import pytest

from transforms.amounts import amount


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1_250_000, "1.2 MB"),
        (3.21e9, "3.2 GB"),
        (5e12, "5.0 TB"),
        (7e15, "7000.0 TB"),
    ],
)
def test_amount(count, text):
    assert amount(count) == text
