"""Joining: H.264 encoded anew beside H.264 copied, in one stream that any decoder reads.

What is encoded gets parameter sets with numbers of its own, and the file's header (`avcC`) holds both: a picture says
by number which it uses, and a change between them at an IDR picture is what the standard provides for. So nothing is
matched or patched. It is refused (`UnjoinableError`) where it is not certain: other codecs, fields, unknown profiles,
parameter sets that change on the way, groups that do not begin with an IDR picture.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

PROFILES: Final = {66: "baseline", 77: "main", 100: "high", 110: "high10", 122: "high422"}
"""libx264's names of the H.264 profiles that are joined, by `profile_idc`.

Not 4:4:4 (244): x264 before build 151 coded it in its own way, and only a stream's first packet tells decoders so.
"""
UNCOPIED: Final = "High 4:4:4 Predictive"
"""FFmpeg's name of that profile."""

_SLICE, _IDR, _SEI, _SPS, _PPS, _AUD = 1, 5, 6, 7, 8, 9
_INTRA: Final = (2, 4, 7, 9)
"""Slice types I and SI; 5 more: all slices of the picture are of the type (H.264, table 7-6)."""
_SLICE_HEAD: Final = 64
"""Bytes that hold the first two numbers of a slice many times over."""
_HIGH: Final = (100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135)
_HEVC_KEYS: Final = range(16, 22)
_RECOVERY_POINT: Final = 6
_MOST_SETS: Final = 31


class UnjoinableError(Exception):
    """What is copied and what is encoded can't be one stream; the text says why."""


class _Bits:
    """Reads bits and Exp-Golomb numbers of a NAL unit's payload, emulation prevention taken out."""

    def __init__(self, data: bytes) -> None:
        self._data = data.replace(b"\0\0\3", b"\0\0")
        self._at = 0

    def bits(self, count: int) -> int:
        value = 0
        for _ in range(count):
            byte = self._at >> 3
            if byte >= len(self._data):
                raise UnjoinableError("a parameter set is cut off")
            value = value << 1 | (self._data[byte] >> (7 - (self._at & 7)) & 1)
            self._at += 1
        return value

    def number(self) -> int:
        zeros = 0
        while not self.bits(1):
            zeros += 1
            if zeros > 32:
                raise UnjoinableError("a parameter set is broken")
        return (1 << zeros) - 1 + self.bits(zeros)


class Sps(NamedTuple):
    """What counts of a sequence parameter set."""

    number: int
    profile: int
    constraints: int
    level: int
    chroma: int
    luma_bits: int
    chroma_bits: int
    progressive: bool


def read_sps(unit: bytes) -> Sps:
    """Read a sequence parameter set (its NAL unit with the header byte).

    Raises:
        UnjoinableError: It is broken.
    """
    bits = _Bits(unit[1:])
    profile, constraints, level, number = bits.bits(8), bits.bits(8), bits.bits(8), bits.number()
    chroma, luma_bits, chroma_bits = 1, 8, 8
    if profile in _HIGH:
        chroma = bits.number()
        if chroma == 3:
            bits.bits(1)
        luma_bits, chroma_bits = 8 + bits.number(), 8 + bits.number()
        bits.bits(1)
        if bits.bits(1):
            # Scaling matrices lie between here and what is wanted; they are rare.
            raise UnjoinableError("scaling matrices in the parameter set")
    bits.number()
    order = bits.number()
    if order == 0:
        bits.number()
    elif order == 1:
        bits.bits(1)
        bits.number(), bits.number()
        for _ in range(bits.number()):
            bits.number()
    bits.number(), bits.bits(1), bits.number(), bits.number()
    return Sps(number, profile, constraints, level, chroma, luma_bits, chroma_bits, bool(bits.bits(1)))


class Header(NamedTuple):
    """Parameter sets of a stream, and how its packets are laid out.

    Attributes:
        sps: Sequence parameter sets, NAL units.
        pps: Picture parameter sets.
        length: Bytes of the length before each NAL unit; 0: start codes.
    """

    sps: tuple[bytes, ...]
    pps: tuple[bytes, ...]
    length: int


def read_header(data: bytes | None) -> Header:
    """Read H.264's extradata: `avcC`, or parameter sets between start codes.

    Raises:
        UnjoinableError: There are none, or they are broken.
    """
    if not data:
        raise UnjoinableError("no parameter sets in the header")
    if data[0] != 1:
        units = list(_between_start_codes(data))
        return _checked(Header(_of_type(units, _SPS), _of_type(units, _PPS), 0))
    at, found = 5, []
    for mask in (31, 255):
        if at >= len(data):
            raise UnjoinableError("the header is cut off")
        count, at = data[at] & mask, at + 1
        for _ in range(count):
            size = int.from_bytes(data[at : at + 2], "big")
            found.append(data[at + 2 : at + 2 + size])
            at += 2 + size
    return _checked(Header(_of_type(found, _SPS), _of_type(found, _PPS), (data[4] & 3) + 1))


def _checked(header: Header) -> Header:
    if not header.sps or not header.pps:
        raise UnjoinableError("no parameter sets in the header")
    return header


def _of_type(units: list[bytes], kind: int) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(u for u in units if u and u[0] & 31 == kind))


def _between_start_codes(data: bytes) -> Iterator[bytes]:
    at = data.find(b"\0\0\1")
    while at >= 0:
        after = data.find(b"\0\0\1", at + 3)
        unit = data[at + 3 : after if after >= 0 else len(data)].rstrip(b"\0")
        if unit:
            yield unit
        at = after


def units(data: bytes, length: int) -> Iterator[bytes]:
    """The NAL units of a packet, see `Header.length`."""
    if length == 0:
        yield from _between_start_codes(data)
        return
    at = 0
    while at + length <= len(data):
        size = int.from_bytes(data[at : at + length], "big")
        if unit := data[at + length : at + length + size]:
            yield unit
        at += length + size


def stands_alone(data: bytes, codec: str, extradata: bytes | None) -> bool:
    """A keyframe from which on everything decodes, as far as its own bytes tell.

    An IDR picture or an exact recovery point of H.264, an IRAP picture of HEVC; other codecs' keyframes are believed.
    """
    if codec not in ("h264", "hevc"):
        return True
    if codec == "hevc":
        return any(unit[0] >> 1 & 63 in _HEVC_KEYS for unit in units(data, _length(extradata, 21)))
    length = _length(extradata, 4)
    return any(unit[0] & 31 == _IDR or (unit[0] & 31 == _SEI and _exact_recovery(unit)) for unit in units(data, length))


def is_intra(data: bytes, extradata: bytes | None) -> bool:
    """Whether the first slice of an H.264 packet is coded without other pictures; False where there is none."""
    for unit in units(data, _length(extradata, 4)):
        if unit[0] & 31 in (_SLICE, _IDR):
            bits = _Bits(unit[1:_SLICE_HEAD])
            try:
                bits.number()  # where in the picture it begins
                return bits.number() in _INTRA
            except UnjoinableError:
                return False
    return False


def _length(extradata: bytes | None, place: int) -> int:
    """Bytes of the length before each NAL unit, which `avcC` and `hvcC` tell at a place; 0: start codes."""
    framed = extradata is not None and len(extradata) > place and extradata[0] == 1
    return (extradata[place] & 3) + 1 if extradata is not None and framed else 0


def _exact_recovery(unit: bytes) -> bool:
    """A recovery point at this very picture: message 6 of no frames to wait for (`recovery_frame_cnt`, ue(v): 1)."""
    data, at = unit[1:].replace(b"\0\0\3", b"\0\0"), 0
    while at + 2 < len(data):
        kind = size = 0
        while at < len(data) and data[at] == 255:
            kind, at = kind + 255, at + 1
        kind, at = kind + data[at], at + 1
        while at < len(data) and data[at] == 255:
            size, at = size + 255, at + 1
        if at >= len(data):
            return False
        size, at = size + data[at], at + 1
        if kind == _RECOVERY_POINT:
            return at < len(data) and bool(data[at] & 128)
        at += size
    return False


class Joiner:
    """Makes one stream of the packets of a source and of those that libx264 made beside it.

    Attributes:
        options: What the encoder must be told besides the usual.
    """

    def __init__(self, codec: str, extradata: bytes | None) -> None:
        """
        Args:
            codec: Of the source.
            extradata: Of the source.

        Raises:
            UnjoinableError: They are of a kind that is not joined.
        """
        if codec != "h264":
            raise UnjoinableError(f"{codec} is not joined")
        self._header = read_header(extradata)
        found = [read_sps(unit) for unit in self._header.sps]
        if not all(sps.progressive for sps in found):
            raise UnjoinableError("the source is coded in fields")
        if len({sps.profile for sps in found}) > 1 or found[0].profile not in PROFILES:
            raise UnjoinableError(f"H.264 profile {found[0].profile}")
        taken = {sps.number for sps in found} | {_Bits(unit[1:]).number() for unit in self._header.pps}
        number = next((n for n in range(1, _MOST_SETS + 1) if n not in taken), None)
        if number is None:
            raise UnjoinableError("all numbers of parameter sets are taken")
        self._sps = found[0]
        self.options = {"profile": PROFILES[found[0].profile], "x264-params": f"sps-id={number}:stitchable=1"}

    def same_shape(self, encoder: Any) -> None:
        """Refuse an encoder whose pictures are not of the source's depth and chroma.

        Raises:
            UnjoinableError: They are not.
        """
        made = read_sps(read_header(encoder.extradata).sps[0])
        for name in ("chroma", "luma_bits", "chroma_bits", "progressive"):
            if getattr(made, name) != getattr(self._sps, name):
                raise UnjoinableError(f"{name} of the source and of what was encoded differ")

    def header(self, encoded: bytes | None) -> bytes:
        """`avcC` with the parameter sets of the source and of an encoder (None: of the source only)."""
        sps, pps = list(self._header.sps), list(self._header.pps)
        if encoded is not None:
            own = read_header(encoded)
            sps, pps = sps + list(own.sps), pps + list(own.pps)
        first, level = self._sps, max(read_sps(unit).level for unit in sps)
        data = bytes([1, first.profile, first.constraints, level, 255, 224 | len(sps)])
        data += b"".join(len(unit).to_bytes(2, "big") + unit for unit in sps)
        data += bytes([len(pps)]) + b"".join(len(unit).to_bytes(2, "big") + unit for unit in pps)
        if first.profile in PROFILES and first.profile >= 100:
            data += bytes([252 | first.chroma, 248 | (first.luma_bits - 8), 248 | (first.chroma_bits - 8), 0])
        return data

    def copied(self, data: bytes, first: bool) -> bytes:
        """A source's packet with lengths of four bytes, without parameter sets.

        Args:
            data: Of the packet.
            first: It opens what is copied, so it must be an IDR picture.

        Raises:
            UnjoinableError: It is none, or it brings parameter sets that the header lacks.
        """
        kept = []
        idr = False
        for unit in units(data, self._header.length):
            kind = unit[0] & 31
            idr |= kind == _IDR
            if kind in (_SPS, _PPS):
                if unit not in self._header.sps and unit not in self._header.pps:
                    raise UnjoinableError("parameter sets change on the way")
            elif kind != _AUD:
                kept.append(len(unit).to_bytes(4, "big") + unit)
        if first and not idr:
            raise UnjoinableError("a group does not begin with an IDR picture")
        return b"".join(kept)

    def encoded(self, data: bytes) -> bytes:
        """A packet of the encoder with lengths of four bytes, without parameter sets."""
        kept = (unit for unit in _between_start_codes(data) if unit[0] & 31 not in (_SPS, _PPS, _AUD))
        return b"".join(len(unit).to_bytes(4, "big") + unit for unit in kept)
