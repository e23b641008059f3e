"""Whether footage was generated: what manifests, XMP and lists say of it."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from filters.rights.signals import credentials, datamining, generated, origin
from filters.rights.signals.signal import NOTHING, Signal, Spot
from tests.filters.rights.signals import golden, signing
from transforms.settings import ConfigError
from transforms.storage import StorageSettings

IPTC = "http://cv.iptc.org/newscodes/digitalsourcetype/"
AI, MIXED, CAMERA = signing.GENERATED, IPTC + "compositeWithTrainedAlgorithmicMedia", signing.SOURCE
SPOT = Spot("", "file", golden.URI, golden.URI, golden.NOW)
ACCESS = StorageSettings()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (AI, "generated"),
        (AI.replace("http:", "https:") + "/", "generated"),
        ("digsrctype:TRAINEDALGORITHMICMEDIA", "generated"),
        ("http://c2pa.org/digitalsourcetype/trainedAlgorithmicData", "generated"),
        (IPTC + "algorithmicMedia", "generated"),
        (MIXED, "composite"),
        (IPTC + "compositeSynthetic", "composite"),
        (CAMERA, None),
        (IPTC + "algorithmicallyEnhanced", None),
        (IPTC + "composite", None),
        ("", None),
        (7, None),
    ],
)
def test_codes(value: object, expected: str | None) -> None:
    made = origin.of_code(value)
    assert (made and made.origin) == expected


def action(name: str, source: str | None = None) -> dict[str, Any]:
    return {"action": f"c2pa.{name}", **({"digitalSourceType": source} if source else {})}


def held(*actions: dict[str, Any], label: str = "c2pa.actions.v2", **ingredients: str) -> dict[str, Any]:
    found = [{"relationship": how, "active_manifest": name} for name, how in ingredients.items()]
    return {"assertions": [{"label": label, "data": {"actions": list(actions)}}], "ingredients": found}


METADATA = {"assertions": [{"label": "cawg.metadata", "data": {"Iptc4xmpExt:DigitalSourceType": AI}}]}


@pytest.mark.parametrize(
    ("manifests", "expected"),
    [
        ({"a": held(action("created", AI))}, "generated"),
        ({"a": held(action("created", AI), label="c2pa.actions")}, "generated"),
        ({"a": held(action("created", AI), label="c2pa.actions__2")}, "generated"),
        ({"a": held(action("created", CAMERA))}, None),
        ({"a": held(action("created", CAMERA), action("edited", MIXED))}, "composite"),
        ({"a": held(action("created", CAMERA), action("edited", AI))}, "composite"),
        ({"a": held(action("created", AI), label="c2pa.other")}, None),
        ({"a": held(action("opened"), b="parentOf"), "b": held(action("created", AI))}, "generated"),
        ({"a": held(action("placed"), b="componentOf"), "b": held(action("created", AI))}, "composite"),
        ({"a": held(b="parentOf"), "b": held(action("created", AI), a="parentOf")}, "generated"),  # in a circle
        ({"a": METADATA}, "generated"),
        ({"a": {"assertions": [{"label": "c2pa.actions", "data": {"actions": AI}}, 7], "ingredients": 1}}, None),
        ({"a": 1}, None),
        ([], None),
    ],
)
def test_manifests(manifests: object, expected: str | None) -> None:
    made = origin.of_manifests({"active_manifest": "a", "manifests": manifests})
    assert (made and made.origin) == expected


@pytest.mark.parametrize("label", ["c2pa.actions", "c2pa.actions.v2"])
@pytest.mark.parametrize(("source", "expected"), [(AI, "generated"), (MIXED, "composite"), (CAMERA, None)])
def test_signed_films(label: str, source: str, expected: str | None) -> None:
    pytest.importorskip("c2pa", reason="c2pa-python is not installed: pip install 'rushes[c2pa]'")
    said = {"label": label, "data": {"actions": [action("created", source)]}}
    data = bytearray(signing.signed(signing.film(), "video/mp4", said))
    signal = credentials.told(SPOT, io.BytesIO(data), None)
    assert (signal.says, signal.origin) == (NOTHING, expected)
    assert signal.words.endswith(f"; made by {source.rpartition('/')[2]}") == bool(expected)
    data[data.index(b"mdat") + 40] ^= 1  # Who changes the bytes does not make a camera of it.
    assert credentials.told(SPOT, io.BytesIO(data), None).origin == expected


def xmp(body: str) -> bytes:
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about="" xmlns:e="{origin.XMP_NAMESPACE}" {body}</rdf:RDF></x:xmpmeta>'
    ).encode()


def in_film(packet: bytes) -> Signal:
    return datamining.told(SPOT, io.BytesIO(signing.film() + golden.uuid_box(packet)))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (f'e:DigitalSourceType="{AI}"/>', "generated"),
        (f"><e:DigitalSourceType>{AI}</e:DigitalSourceType></rdf:Description>", "generated"),
        (f'><e:DigitalSourceType rdf:resource="{MIXED}"/></rdf:Description>', "composite"),
        (f'e:DigitalSourceType="{CAMERA}"/>', None),
        (f'e:DigitalSourceFile="{AI}"/>', None),
        ("/>", None),
    ],
)
def test_xmp_in_films(body: str, expected: str | None) -> None:
    signal = in_film(xmp(body))
    assert (signal.says, signal.origin) == (NOTHING, expected)


def test_xmp_in_pictures_and_beside_a_no_to_mining() -> None:
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "JPEG", xmp=xmp(f'e:DigitalSourceType="{AI}"/>'))
    assert datamining.told(SPOT, file).origin == "generated"
    both = datamining.told(SPOT, io.BytesIO(signing.film() + golden.uuid_box(golden.XMP[0].said)
                                            + golden.uuid_box(xmp(f'e:DigitalSourceType="{MIXED}"/>'))))  # fmt: skip
    assert (both.says.train, both.origin) == ("deny", "composite")
    assert both.words.endswith("; made by compositeWithTrainedAlgorithmicMedia")
    assert in_film(b"<broken").origin is None


NAMES = [hashlib.sha256(str(n).encode()).hexdigest() for n in range(50)]
ZEROS = "ab" * 16 + "00" * 16
"""A hash that ends in zeros, as arrays of bytes like to cut off."""


def listed(path: Path, video_id: str) -> list[Signal]:
    return generated.of_bytes(video_id, golden.URI, str(path), ACCESS, golden.NOW)


def test_lists_of_every_kind(tmp_path: Path) -> None:
    plain, summed, table = tmp_path / "a.txt", tmp_path / "b.txt", tmp_path / "c.csv"
    rows = tmp_path / "d.parquet"
    plain.write_text("# ours\n" + "\n".join([*NAMES, ZEROS]))
    summed.write_text("".join(f"{name.upper()}  ad {n}.mp4\n" for n, name in enumerate([*NAMES, ZEROS])))
    table.write_text("asset,sha256\n" + "".join(f"ad,sha256:{name}\n" for name in [*NAMES, ZEROS]))
    pq.write_table(pa.table({"video_id": [*NAMES, ZEROS]}), rows)
    for path in (plain, summed, table, rows):
        for name in (NAMES[0], NAMES[49], ZEROS):
            (signal,) = listed(path, name)
            assert (signal.says, signal.origin, signal.protocol) == (NOTHING, "generated", generated.NAME)
        for other in (hashlib.sha256(b"other").hexdigest(), "00" * 32, "ff" * 32):
            assert listed(path, other) == []
    (tmp_path / "none.txt").write_text("")
    assert listed(tmp_path / "none.txt", NAMES[0]) == []


def test_what_is_listed_later_and_in_a_second_column_is_heard(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"sha256,video_id\n{NAMES[0]},{NAMES[1]}\n,{NAMES[2]}\n{NAMES[3]},\n")
    assert [bool(listed(path, name)) for name in NAMES[:5]] == [True] * 4 + [False]
    held = generated.load(str(path), ACCESS)
    assert generated.load(str(path), ACCESS) is held
    with path.open("a") as file:
        file.write(f"{NAMES[4]},\n")
    assert listed(path, NAMES[4])
    path.unlink()
    with pytest.raises(ConfigError, match="cannot be read as a list"):
        listed(path, NAMES[4])


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("a.txt", f"{NAMES[0]}\nabc\n", "row 2: no SHA-256 ('abc')"),
        ("a.csv", f"sha256,video_id\n{NAMES[0][:-1]},\n", "row 2: no SHA-256"),
        ("a.csv", f"sha256,video_id\n{NAMES[0]},,,\n", "row 2: no SHA-256"),
        ("a.csv", f"sha256,video_id\n{NAMES[0]},tape 1\n", "row 2: no SHA-256 ('tape 1') under video_id"),
        ("a.csv", f"hash\n{NAMES[0]}\n", "no column sha256 or video_id"),
        ("a.xlsx", "", r"end its name in \.txt"),
        ("a.parquet", "no parquet", "cannot be read as a list"),
        ("absent.txt", None, "cannot be read as a list"),
    ],
)
def test_a_list_that_cannot_be_understood_is_refused_whole(tmp_path: Path, name: str, text: str | None, words: str):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(ConfigError, match=words.replace("(", r"\(").replace(")", r"\)")):
        listed(tmp_path / name, NAMES[0])
