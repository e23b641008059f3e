"""Origin: whether footage was generated, as its Content Credentials or its XMP say.

Both name a code of IPTC's vocabulary of digital source types. The word counts whoever signed it, and where a signature
is broken too: nobody gains by calling a camera's footage generated, and it only keeps footage out. What says nothing is
not shown to be a camera's: marks go with the next re-encoding.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

GENERATED: Final = "generated"
COMPOSITE: Final = "composite"

ORIGINS: Final = (GENERATED, COMPOSITE)
"""Every origin, the one that counts more first: wholly generated, or with generated parts."""

CODES: Final[dict[str, str]] = {
    "trainedAlgorithmicMedia": GENERATED,
    "algorithmicMedia": GENERATED,
    "trainedAlgorithmicData": GENERATED,
    "compositeWithTrainedAlgorithmicMedia": COMPOSITE,
    "compositeSynthetic": COMPOSITE,
}
"""Codes of http://cv.iptc.org/newscodes/digitalsourcetype/ (2024-09), and the one of C2PA, that tell of generated
footage. `composite` and `virtualRecording` only say that parts may be."""

XMP_NAMESPACE: Final = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
_RDF: Final = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"

_CODES: Final = {code.casefold(): (code, origin) for code, origin in CODES.items()}
_ACTIONS: Final = re.compile(r"c2pa\.actions(?:\.v\d+)?(?:__\d+)?")
_METADATA: Final = re.compile(r"(?:c2pa\.metadata|cawg\.metadata|stds\.iptc[a-z.-]*)(?:\.v\d+)?(?:__\d+)?")
_DEEPEST: Final = 20
_MOST_PARENTS: Final = 1000


class Made(NamedTuple):
    """How footage was made.

    Attributes:
        origin: One of `ORIGINS`.
        code: The digital source type that says so.
    """

    origin: str
    code: str


def of_code(value: object) -> Made | None:
    """What a digital source type says, spelt as an address, a short name (`digsrctype:...`) or alone, in any case."""
    if not isinstance(value, str):
        return None
    code, origin = _CODES.get(re.split(r"[/:#]", value.strip().rstrip("/"))[-1].casefold(), ("", ""))
    return Made(origin, code) if code else None


def strongest(found: Iterable[Made | None]) -> Made | None:
    """Several words as one: wholly generated before partly, then by name of the code."""
    said = [made for made in found if made]
    return min(said, key=lambda made: (ORIGINS.index(made.origin), made.code)) if said else None


def of_manifests(store: Any) -> Made | None:
    """What a C2PA manifest store, as the library's JSON, says of the file.

    An action that made the file, or what it was made of by editing (`parentOf`), speaks of all of it. Any other action,
    and what was put in (`componentOf`), speaks of a part.
    """
    manifests = store.get("manifests") if isinstance(store, Mapping) else None
    if not isinstance(manifests, Mapping):
        return None
    line = _line(manifests, store.get("active_manifest"))
    found: list[Made | None] = []
    for label, manifest in manifests.items():
        for made, whole in _of_manifest(manifest):
            found.append(made if whole and label in line else made._replace(origin=COMPOSITE))
    return strongest(found)


def of_xmp(root: Element) -> Made | None:
    """What `Iptc4xmpExt:DigitalSourceType` in an XMP packet says."""
    name, found = f"{{{XMP_NAMESPACE}}}DigitalSourceType".casefold(), list[Made | None]()
    for element in root.iter():
        if isinstance(element.tag, str) and element.tag.casefold() == name:
            # The value stands here, or as the items of a list one and two levels down.
            held = [element, *element, *(e for c in element for e in c)]
            found += [of_code(value) for e in held for value in (e.get(f"{_RDF}resource"), e.text)]
        found += [of_code(value) for key, value in element.items() if key.casefold() == name]
    return strongest(found)


def _line(manifests: Mapping[str, Any], active: object) -> set[str]:
    """Labels of the manifest of the file itself, and of those that it was edited from."""
    line, ahead = set[str](), [active]
    while ahead and len(line) < _MOST_PARENTS:
        label = ahead.pop()
        if not isinstance(label, str) or label in line:
            continue
        line.add(label)
        for ingredient in _dicts(manifests.get(label), "ingredients"):
            if ingredient.get("relationship") == "parentOf":
                ahead.append(ingredient.get("active_manifest"))
    return line


def _of_manifest(manifest: Any) -> Iterator[tuple[Made, bool]]:
    """What its assertions say, and whether of all of the file."""
    for assertion in _dicts(manifest, "assertions"):
        label, data = str(assertion.get("label")), assertion.get("data")
        if _ACTIONS.fullmatch(label):
            for action in (*_dicts(data, "actions"), *_dicts(data, "templates")):
                if made := of_code(action.get("digitalSourceType")):
                    yield made, action.get("action") == "c2pa.created"
        elif _METADATA.fullmatch(label):
            yield from ((made, True) for made in map(of_code, _values(data, _DEEPEST)) if made)


def _values(data: Any, deep: int) -> Iterator[object]:
    """Every digital source type in JSON-LD, whatever its prefix."""
    if deep and isinstance(data, Mapping):
        for name, value in data.items():
            if str(name).rpartition(":")[2].casefold() == "digitalsourcetype":
                yield from value if isinstance(value, list) else [value]
            yield from _values(value, deep - 1)
    elif deep and isinstance(data, list):
        for value in data:
            yield from _values(value, deep - 1)


def _dicts(data: Any, name: str) -> list[Mapping[str, Any]]:
    held = data.get(name) if isinstance(data, Mapping) else None
    return [one for one in held if isinstance(one, Mapping)] if isinstance(held, list) else []
