"""Data Mining (IPTC Photo 2023.1, Video Metadata Hub 1.5): the `plus:DataMining` property in XMP of films and pictures,
and beside it whether they were generated.

Films are walked here, box by box: libraries that read XMP of pictures find none in an MP4, or fail on it. Every packet
of a file counts, extended ones included. What depends on constraints that only a person can read is a no.
"""

from __future__ import annotations

import codecs
import io
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

from filters.rights.signals import boxes, origin
from filters.rights.signals.signal import NOTHING, Says, Signal, Spot, saying, strictest
from filters.rights.signals.visit import Visit, missing

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

    from PIL.Image import Image

NAME: Final = "IPTC data mining"
ABOUT: Final = ("train", "caption")

PLUS: Final = "http://ns.useplus.org/ldf/xmp/1.0/"
VOCABULARY: Final = "http://ns.useplus.org/ldf/vocab/"
RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

VALUES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "DMI-UNSPECIFIED": ("unset", ()),
    "DMI-ALLOWED": ("allow", ABOUT),
    "DMI-PROHIBITED": ("deny", ABOUT),
    "DMI-PROHIBITED-AIMLTRAINING": ("deny", ("train",)),
    "DMI-PROHIBITED-GENAIMLTRAINING": ("deny", ("train",)),
    "DMI-PROHIBITED-EXCEPTSEARCHENGINEINDEXING": ("deny", ABOUT),
    "DMI-PROHIBITED-SEECONSTRAINT": ("deny", ABOUT),
    "DMI-PROHIBITED-SEEEMBEDDEDRIGHTSEXPR": ("deny", ABOUT),
    "DMI-PROHIBITED-SEELINKEDRIGHTSEXPR": ("deny", ABOUT),
}
"""What each value of the PLUS vocabulary says of which uses."""

_SIGNATURES: Final = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\x00", b"MM\x00*", b"GIF8")
_STILL_BRANDS: Final = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
_XAP: Final = b"http://ns.adobe.com/xap/1.0/\0"
_EXTENSION: Final = b"http://ns.adobe.com/xmp/extension/\0"
_IMAGE_FAULTS: Final = (OSError, ValueError, SyntaxError, KeyError, IndexError, TypeError, RuntimeError, EOFError)


def of_file(path: Path, uri: str, visit: Visit) -> list[Signal]:
    """What the XMP packets of a film or picture say of it."""
    spot = Spot(NAME, "file", uri, uri, visit.now())
    try:
        with path.open("rb") as file:
            return [told(spot, file)]
    except OSError as error:
        return [spot.signal(saying("unknown", ABOUT), f"cannot be read: {error.strerror or type(error).__name__}")]


def told(spot: Spot, file: IO[bytes]) -> Signal:
    """What the XMP packets of an open file say.

    Raises:
        OSError: As the file raises it.
    """
    found, said, how = list[bytes](), [NOTHING], list[origin.Made | None]()
    words = ""
    try:
        for packet in packets(file):
            found.append(packet)
            root = parsed(packet)
            said.append(_says(root))
            how.append(None if root is None else origin.of_xmp(root))
    except ImportError:
        return missing(spot, ABOUT, "defusedxml", "rights")
    except boxes.BrokenBoxes as error:
        said.append(saying("unknown", ABOUT))
        words = f"; not all could be read: {error}"
    raw = b"\n".join(found)
    values = sorted({value.decode() for value in re.findall(rb"DMI-[A-Z-]+", raw)})
    told_by = f"plus:DataMining is {', '.join(values)}" if values else f"no plus:DataMining in {len(found)} XMP packets"
    made = origin.strongest(how)
    words += f"; made by {made.code}" if made else ""
    return spot.signal(strictest(*said), told_by + words, raw, made.origin if made else None)


def packets(file: IO[bytes]) -> Iterator[bytes]:
    """Every XMP packet of a file. A kind of file that has no place for XMP has none.

    Raises:
        boxes.BrokenBoxes: Not all of the file could be walked.
        OSError: As the file raises it.
    """
    file.seek(0)
    head = file.read(16)
    if head[4:8] == b"ftyp" and head[8:12] in _STILL_BRANDS:
        yield from _of_picture(file)
    elif boxes.is_boxed(file):
        yield from boxes.packets(file)
    elif boxes.is_riff(file):
        yield from boxes.riff_packets(file)
    elif head.startswith(_SIGNATURES):
        yield from _of_picture(file)


def read(packet: bytes) -> Says:
    """What one XMP packet says of mining; `unknown` where it is no XML.

    Raises:
        ImportError: defusedxml is not installed.
    """
    return _says(parsed(packet))


def parsed(packet: bytes) -> Element | None:
    """One XMP packet as XML: an empty element of an empty packet, None where it is no XML.

    Raises:
        ImportError: defusedxml is not installed.
    """
    import defusedxml.ElementTree as tree

    try:
        text: str | bytes = packet.strip(b"\x00 \t\r\n")
        if packet.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            text = packet.decode("utf-16").strip("\x00 \t\r\n")
        root: Element = tree.fromstring(text or "<empty/>", forbid_dtd=True)
    except (SyntaxError, ValueError, LookupError, RecursionError):
        return None
    return root


def _says(root: Element | None) -> Says:
    if root is None:
        return saying("unknown", ABOUT)
    said = [NOTHING]
    for element in root.iter():
        if _is_property(element.tag):
            # The value stands here, or as the items of a list one and two levels down.
            values = [v for e in (element, *element, *(e for c in element for e in c)) for v in _own(e)]
            said += [_of_value(value) for value in values or [""]]
        said += [_of_value(value) for name, value in element.items() if _is_property(name)]
    return strictest(*said)


def _own(element: Element) -> list[str]:
    return [v for v in (element.get(f"{{{RDF}}}resource"), (element.text or "").strip()) if v]


def _is_property(name: object) -> bool:
    return isinstance(name, str) and name.lower() == f"{{{PLUS}}}DataMining".lower()


def _of_value(value: str) -> Says:
    value = value.strip()
    if value == VOCABULARY + "DMI-ALLOWED":
        return saying(*VALUES["DMI-ALLOWED"])
    # A no is one however it is spelled.
    code = value.rpartition("/")[2].upper()
    answer, uses = VALUES.get(code, ("deny" if code.startswith("DMI-PROHIBITED") else "unknown", ABOUT))
    return saying("unknown", ABOUT) if answer == "allow" else saying(answer, uses)


def _of_picture(file: IO[bytes]) -> Iterator[bytes]:
    from PIL import Image, UnidentifiedImageError

    file.seek(0)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Of size: nothing is decoded but what a PNG has after its pixels.
            with Image.open(file, formats=("JPEG", "PNG", "TIFF", "GIF", "AVIF")) as image:
                yield from _held(image)
    except UnidentifiedImageError:
        raise boxes.BrokenBoxes("a picture of a kind that cannot be opened") from None
    except (*_IMAGE_FAULTS, Image.DecompressionBombError) as error:
        raise boxes.BrokenBoxes(f"the picture cannot be read ({type(error).__name__})") from None


def _held(image: Image) -> list[bytes]:
    if image.format != "JPEG":
        if image.format == "PNG":
            image.load()
        xmp = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
        return [xmp.encode() if isinstance(xmp, str) else bytes(xmp)]
    segments: list[bytes] = [data for name, data in getattr(image, "applist", ()) if name == "APP1"]
    plain = [s[len(_XAP) :] for s in segments if s.startswith(_XAP)]
    parts: dict[bytes, list[tuple[int, bytes]]] = {}
    for segment in segments:
        if segment.startswith(_EXTENSION):
            body = io.BytesIO(segment[len(_EXTENSION) :])
            guid, _, offset = body.read(32), body.read(4), int.from_bytes(body.read(4), "big")
            parts.setdefault(guid, []).append((offset, body.read()))
    return plain + [b"".join(data for _, data in sorted(found)) for found in parts.values()]
