"""Lengths inside manifests, held against what is there before the library believes them."""

from __future__ import annotations

import io
import time
from typing import Any

import pytest

from filters.rights.signals import credentials, jumbf
from filters.rights.signals.boxes import BrokenBoxes
from filters.rights.signals.signal import Spot
from tests.filters.rights.signals import golden, signing

SPOT = Spot("", "file", golden.URI, golden.URI, golden.NOW)
MINING = signing.training("cawg.training-mining", ai_generative_training="notAllowed")
LONG = {"label": "org.example.long", "data": {"text": "x" * 200_000, "list": list(range(3000))}}
"""Longer than one segment of a JPEG."""


def signed(mime: str, *more: dict[str, Any]) -> bytes:
    pytest.importorskip("c2pa", reason="c2pa-python is not installed: pip install 'rushes[c2pa]'")
    media = signing.film() if mime == "video/mp4" else signing.picture(mime.rpartition("/")[2].upper())
    return signing.signed(media, mime, MINING, *more)


@pytest.mark.parametrize("mime", ["video/mp4", "image/jpeg", "image/png"])
def test_manifests_of_every_length_are_read(mime: str) -> None:
    for more in ((), (LONG,)):
        data = signed(mime, *more)
        jumbf.check(io.BytesIO(data))
        signal = credentials.told(SPOT, io.BytesIO(data), None)
        assert signal.says.train == "deny"
        assert signal.words.startswith("1 manifest(s), the last by a signer nobody vouches for")


@pytest.mark.parametrize("mime", ["video/mp4", "image/jpeg", "image/png"])
def test_a_length_that_claims_gigabytes_is_not_believed(mime: str) -> None:
    data = bytearray(signed(mime))
    at = data.index(b"notAllowed") - 1
    assert data[at] == 0x6A  # a text of ten bytes; 0x5A: bytes, as many as the next four say
    data[at] = 0x5A
    start = time.process_time()
    signal = credentials.told(SPOT, io.BytesIO(data), None)
    assert time.process_time() - start < 0.5
    assert signal.says.train == "unknown"
    assert "claims 1852798017 where" in signal.words


def manifest(cbor: bytes) -> bytes:
    box = golden.box
    return box(b"uuid", jumbf.C2PA_UUID, bytes(4), b"manifest\0", bytes(8), box(b"jumb", box(b"cbor", cbor)))


@pytest.mark.parametrize(
    ("cbor", "fits"),
    [
        (b"\x00", True),
        (b"\xa1\x61a\x82\x01\x5f\x42ab\x41c\xff", True),  # a map of a list of a number and bytes in pieces
        (b"\xd8\x20\x63abc", True),
        (b"\x01" + b"\xff" * 9, True),  # what follows the item is not read
        (b"\xf9\x3c\x00", True),
        (b"", False),
        (b"\x42a", False),
        (b"\x5b" + b"\xff" * 8, False),
        (b"\x9a\x00\xff\xff\xff\x00", False),
        (b"\xba\x00\x00\x00\x02\x00\x00\x00", False),
        (b"\x9f\x00", False),
        (b"\x81" * 200 + b"\x00", False),
        (b"\x82\x00\xff", False),
        (b"\x1c", False),
        (b"\x19\x00", False),
    ],
)
def test_data(cbor: bytes, fits: bool) -> None:
    file = io.BytesIO(golden.box(b"ftyp", b"isom\0\0\0\0isom") + manifest(cbor))
    if fits:
        jumbf.check(file)
    else:
        with pytest.raises(BrokenBoxes):
            jumbf.check(file)


def test_there_is_an_end_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jumbf, "MOST_BYTES", 2000)
    monkeypatch.setattr(jumbf, "MOST_ITEMS", 100)
    start = golden.box(b"ftyp", b"isom\0\0\0\0isom")
    for data in (
        start + manifest(b"\x9f" + bytes(jumbf.MOST_ITEMS + 9) + b"\xff"),
        start + golden.box(b"uuid", jumbf.C2PA_UUID, bytes(jumbf.MOST_BYTES + 1)),
        start + manifest(b"\x00")[:-2],
        golden.riff((b"C2PA", golden.box(b"jumb", golden.box(b"cbor", b"\x5a\xff\xff\xff\xff")))),
    ):
        with pytest.raises(BrokenBoxes):
            jumbf.check(io.BytesIO(data))
    for data in (b"", b"\xff\xd8", b"RIFF", b"\x89PNG\r\n\x1a\n", start + bytes(99), b"ID3" + bytes(99)):
        jumbf.check(io.BytesIO(data))
