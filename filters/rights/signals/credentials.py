"""Content Credentials (C2PA): the training and data mining assertion inside media, under its old and its new label,
and whether the media was generated.

A no counts in any manifest of the file, its ingredients' too, whoever signed it, even where the signature is broken:
anybody may refuse. A yes counts only in the active manifest of a file whose signer is trusted. `constrained` is a no
until somebody has agreed on the constraints (CAWG Training and Data Mining 1.1).
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import IO, Any, Final

from filters.rights.signals import jumbf, origin
from filters.rights.signals.boxes import BrokenBoxes
from filters.rights.signals.signal import NOTHING, Says, Signal, Spot, saying, strictest, without_allow
from filters.rights.signals.visit import Visit, missing

NAME: Final = "C2PA"
ABOUT: Final = ("train", "caption", "generate")

REFUSES: Final[dict[str, tuple[str, ...]]] = {
    "data_mining": ("train", "caption"),
    "ai_training": ("train",),
    "ai_generative_training": ("train",),
    "ai_inference": ("caption", "generate"),
}
"""Which uses a no to each entry refuses."""

ALLOWS: Final[dict[str, tuple[str, ...]]] = {
    "ai_generative_training": ("train",),
    "ai_inference": ("caption", "generate"),
}
"""Which uses a yes to each entry allows: a yes to training what generates nothing is none to what generates."""

_LABEL: Final = re.compile(r"(?:c2pa|cawg)\.training-mining(?:\.v\d+)?(?:__\d+)?")


def of_file(path: Path, uri: str, visit: Visit) -> list[Signal]:
    """What the manifests inside a media file say of it.

    All of the file is read where it has a manifest: its hash is checked.
    """
    spot = Spot(NAME, "file", uri, uri, visit.now())
    try:
        with path.open("rb") as file:
            return [told(spot, file, visit.settings.c2pa_trust_anchors)]
    except OSError as error:
        return [spot.signal(saying("unknown", ABOUT), f"cannot be read: {error.strerror or type(error).__name__}")]


def told(spot: Spot, file: IO[bytes], anchors: str | None) -> Signal:
    """What the manifests inside an open file say; `anchors` is the PEM file of those whose yes counts.

    Raises:
        OSError: As the file raises it.
    """
    try:
        import c2pa
    except ImportError:
        return missing(spot, ABOUT, "c2pa-python", "c2pa")
    try:
        context = c2pa.Context.from_dict(_settings(anchors))
    except (c2pa.C2paError, OSError, UnicodeError) as error:
        return spot.signal(saying("unknown", ABOUT), f"the trust anchors cannot be used: {str(error)[:200]}")
    try:
        jumbf.check(file)
    except BrokenBoxes as error:
        return spot.signal(saying("unknown", ABOUT), f"not read: {error}")
    file.seek(0)
    try:
        with c2pa.Reader(file, context=context) as reader:
            text, state = reader.json(), str(reader.get_validation_state())
    except c2pa.C2paError.ManifestNotFound:
        return spot.signal(NOTHING, "no manifest")
    except c2pa.C2paError.NotSupported:
        return spot.signal(NOTHING, "a kind of file that holds no manifest")
    except (c2pa.C2paError, UnicodeError, ValueError) as error:
        # A manifest elsewhere is not fetched: its address is whatever the file says.
        return spot.signal(saying("unknown", ABOUT), f"cannot be read: {type(error).__name__} {str(error)[:200]}")
    says, words = read(text, state)
    made = _made(text)
    return spot.signal(says, words + (f"; made by {made.code}" if made else ""), text, made.origin if made else None)


def read(text: str, state: str) -> tuple[Says, str]:
    """What a manifest store says, and in words.

    Args:
        text: The store as the library's JSON.
        state: How its validation ended: `Trusted`, `Valid` or `Invalid`.
    """
    try:
        store = json.loads(text)
        manifests, active = store["manifests"], store["active_manifest"]
        found = [(label, _of_manifest(manifest)) for label, manifest in manifests.items()]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        return saying("unknown", ABOUT), f"not understood: {type(error).__name__}"
    signer = {"Trusted": "a trusted signer", "Valid": "a signer nobody vouches for"}.get(state, "a broken signature")
    says = strictest(*(s if label == active and state == "Trusted" else without_allow(s) for label, s in found))
    if state not in ("Trusted", "Valid"):
        says = strictest(says, saying("unknown", ABOUT))
    return says, f"{len(found)} manifest(s), the last by {signer}"


def _made(text: str) -> origin.Made | None:
    try:
        return origin.of_manifests(json.loads(text))
    except (ValueError, RecursionError):
        return None  # That it is not understood says `read`.


def _settings(anchors: str | None) -> dict[str, Any]:
    verify = {"remote_manifest_fetch": False, "ocsp_fetch": False, "verify_trust": True}
    if anchors is None:
        return {"verify": verify}
    return {"verify": verify, "trust": {"trust_anchors": Path(anchors).read_text()}}


def _of_manifest(manifest: Any) -> Says:
    said = [a for a in manifest.get("assertions", ()) if _LABEL.fullmatch(str(a["label"]))]
    return strictest(NOTHING, *(_of_assertion(assertion.get("data")) for assertion in said))


def _of_assertion(data: Any) -> Says:
    entries = data.get("entries") if isinstance(data, dict) else None
    if not isinstance(entries, dict):
        return saying("unknown", ABOUT)
    found = [NOTHING]
    for name, entry in entries.items():
        key = str(name).rpartition(".")[2]
        use = entry.get("use") if isinstance(entry, dict) else None
        if key not in REFUSES:
            continue
        if use == "allowed":
            found.append(saying("allow", ALLOWS.get(key, ())))
        else:
            found.append(saying("deny" if use in ("notAllowed", "constrained") else "unknown", REFUSES[key]))
    return strictest(*found)
