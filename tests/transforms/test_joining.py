"""What packets of H.264 say before they are decoded: a picture's type, in both ways of storing; garbage is nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.footage import Shot
from pipelines.footage import render as film
from transforms.joining import is_intra, stands_alone

AVCC = bytes([1, 100, 0, 31, 255, 225])
"""The beginning of an `avcC` box: lengths of four bytes."""


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.ts"])
def test_the_decoder_agrees(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    film(path, [Shot(40, seed=1), Shot(30, seed=2), Shot(12, seed=3), Shot(30, seed=4)], width=192, height=108)
    with av.open(str(path)) as container:
        stream: Any = container.streams.video[0]
        extradata = bytes(stream.codec_context.extradata or b"")
        said = {packet.pts: is_intra(bytes(packet), extradata) for packet in container.demux(stream) if packet.size}
    with av.open(str(path)) as container:
        decoded = {frame.pts: int(frame.pict_type) == 1 for frame in container.decode(video=0)}
    assert said == decoded
    assert 2 < sum(said.values()) < len(said)


@pytest.mark.parametrize(
    ("slice_type", "intra"), [(0, False), (1, False), (2, True), (4, True), (5, False), (6, False), (7, True)]
)
@pytest.mark.parametrize("first", [0, 5])
def test_types_of_slices(slice_type: int, intra: bool, first: int) -> None:
    codes = [bin(number + 1)[2:] for number in (first, slice_type)]
    bits = "".join("0" * (len(code) - 1) + code for code in codes) + "1"
    data = int(bits.ljust(32, "0"), 2).to_bytes(4, "big")
    other, unit = bytes([9, 16]), bytes([65]) + data
    stored = b"".join(len(u).to_bytes(4, "big") + u for u in (other, unit))
    assert is_intra(stored, AVCC) is intra
    assert is_intra(b"\0\0\0\1" + other + b"\0\0\1" + unit, b"") is intra


@given(st.binary(max_size=200), st.sampled_from([b"", AVCC, AVCC[:4]]))
def test_garbage_is_no_error(packet: bytes, extradata: bytes) -> None:
    assert is_intra(packet, extradata) in (True, False)
    assert stands_alone(packet, "h264", extradata) in (True, False)
    assert stands_alone(packet, "hevc", extradata) in (True, False)


def test_what_ends_early_is_not_intra() -> None:
    for packet in (b"", b"\0\0\1", b"\0\0\1\x65", b"\0\0\1\x65\0\0", b"\0\0\0\1\x65", b"\0\0\1\x67\x80"):
        assert not is_intra(packet, b"")
        assert not is_intra(packet, AVCC)
