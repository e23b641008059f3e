"""Slices: what a packet of H.264 says of its picture before it is decoded."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_SLICES: Final = frozenset({1, 5})
"""Types of NAL units that hold slices not partitioned (H.264, table 7-1)."""

_INTRA: Final = frozenset({2, 4, 7, 9})
"""Slice types I and SI; 5 more: all slices of the picture are of the type (H.264, table 7-6)."""

_HEAD: Final = 64
"""Bytes that hold the first two numbers of a slice many times over."""


def is_intra(packet: bytes, extradata: bytes) -> bool:
    """Whether the first slice of an H.264 packet is coded without other pictures; False where there is none.

    Args:
        packet: The bytes of one picture, as the container stores them.
        extradata: What the container says of the stream: of an `avcC` box (ISO 14496-15, 5.3.3) the units' lengths go
            before them; otherwise they follow start codes (H.264, annex B).
    """
    length = (extradata[4] & 3) + 1 if len(extradata) > 4 and extradata[0] == 1 else 0
    for unit in _units(packet, length):
        if unit and unit[0] & 31 in _SLICES:
            bits = int.from_bytes(unit[1:_HEAD], "big"), 8 * len(unit[1:_HEAD])
            _, at = _number(bits, 0)
            return _number(bits, at)[0] in _INTRA
    return False


def _units(packet: bytes, length: int) -> Iterator[bytes]:
    """The beginnings of the NAL units."""
    at = 0
    while length and at + length < len(packet):
        size = int.from_bytes(packet[at : at + length], "big")
        yield packet[at + length : at + length + min(size, _HEAD)]
        at += length + size
    while not length and (at := packet.find(b"\0\0\1", at) + 3) > 2:
        yield packet[at : at + _HEAD]


def _number(bits: tuple[int, int], at: int) -> tuple[int, int]:
    """An unsigned Exp-Golomb number (H.264, 9.1) at a bit, and the bit behind it; -1 where the bits end before."""
    value, count = bits
    left = (value & ((1 << max(0, count - at)) - 1)).bit_length()
    zeros = count - at - left
    end = at + 2 * zeros + 1
    if not left or end > count:
        return -1, count
    return ((value >> (count - end)) & ((1 << (zeros + 1)) - 1)) - 1, end
