"""Content Credentials, in pictures and films that are signed here."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from filters.rights.signals import credentials
from filters.rights.signals.signal import NOTHING, Says, Signal
from filters.rights.signals.visit import Answer, SignalSettings, Visit
from tests.filters.rights.signals import golden
from tests.filters.rights.signals.signing import film, picture, signed, training, trusted

pytest.importorskip("c2pa", reason="c2pa-python is not installed: pip install 'rushes[c2pa]'")

OLD, NEW = "c2pa.training-mining", "cawg.training-mining"
UNKNOWN = Says("unknown", "unknown", "unknown")


def read(data: bytes, folder: Path, anchors: str | None = None) -> Signal:
    path = folder / "media"
    path.write_bytes(data)
    settings = SignalSettings(c2pa_trust_anchors=anchors)
    visit = Visit(settings, lambda uri, limit: Answer(uri, 404, golden.NOW), lambda: golden.NOW)
    (signal,) = credentials.of_file(path, "film", visit)
    return signal


@pytest.mark.parametrize("label", [OLD, NEW])
@pytest.mark.parametrize(("media", "mime"), [(film, "video/mp4"), (picture, "image/jpeg")])
@pytest.mark.parametrize(
    ("uses", "expected"),
    [
        ({"ai_generative_training": "notAllowed"}, Says("deny")),
        ({"ai_training": "notAllowed"}, Says("deny")),
        ({"data_mining": "notAllowed"}, Says("deny", "deny")),
        ({"ai_inference": "constrained"}, Says("unset", "deny", "deny")),
    ],
)
def test_both_labels_refuse(
    label: str, media: Callable[[], bytes], mime: str, uses: dict[str, str], expected: Says, tmp_path: Path
) -> None:
    signal = read(signed(media(), mime, training(label, **uses)), tmp_path)
    assert signal.says == expected
    assert signal.words == "1 manifest(s), the last by a signer nobody vouches for"
    assert label in signal.text


def test_constrained_is_refused_whatever_the_constraint(tmp_path: Path) -> None:
    entry = {"use": "constrained", "constraint_info": "https://example.org/terms"}
    assert read(signed(film(), "video/mp4", training(NEW, ai_training=entry)), tmp_path).says == Says("deny")


def test_a_yes_needs_a_signer_that_is_trusted(tmp_path: Path) -> None:
    uses = dict.fromkeys(("ai_training", "ai_generative_training", "ai_inference", "data_mining"), "allowed")
    data = signed(film(), "video/mp4", training(NEW, **uses))
    assert read(data, tmp_path).says == NOTHING
    assert read(data, tmp_path, trusted(tmp_path)).says == Says("allow", "allow", "allow")
    assert "a trusted signer" in read(data, tmp_path, trusted(tmp_path)).words


def test_a_yes_to_other_training_is_none_to_what_generates(tmp_path: Path) -> None:
    data = signed(film(), "video/mp4", training(NEW, ai_training="allowed"))
    assert read(data, tmp_path, trusted(tmp_path)).says == NOTHING


@pytest.mark.parametrize(("use", "train"), [("notAllowed", "deny"), ("allowed", "unknown")])
def test_a_changed_file_keeps_its_no_and_loses_its_yes(use: str, train: str, tmp_path: Path) -> None:
    data = bytearray(signed(film(), "video/mp4", training(NEW, ai_generative_training=use)))
    data[data.index(b"mdat") + 40] ^= 1
    signal = read(bytes(data), tmp_path, trusted(tmp_path))
    assert signal.says == Says(train, "unknown", "unknown")
    assert "broken signature" in signal.words


def test_a_no_of_an_ingredient_counts_and_its_yes_does_not() -> None:
    def held(use: str) -> dict[str, object]:
        data = {"entries": {"cawg.ai_generative_training": {"use": use}}}
        return {"assertions": [{"label": NEW, "data": data}]}

    def of(first: str, last: str) -> str:
        store = {"active_manifest": "b", "manifests": {"a": held(first), "b": held(last)}}
        return credentials.read(json.dumps(store), "Trusted")[0].train

    assert of("notAllowed", "allowed") == "deny"
    assert of("allowed", "notAllowed") == "deny"
    assert of("allowed", "allowed") == "allow"
    assert of("allowed", "what") == "unknown"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"entries": {"cawg.ai_training": {"use": "NotAllowed"}}}, "unknown"),
        ({"entries": {"cawg.ai_training": "notAllowed"}}, "unknown"),
        ({"entries": {"cawg.something_else": {"use": "notAllowed"}}}, "unset"),
        ({"entries": []}, "unknown"),
        (None, "unknown"),
    ],
)
@pytest.mark.parametrize("label", [NEW, OLD, NEW + "__2", OLD + ".v2"])
def test_what_is_not_understood(label: str, data: object, expected: str) -> None:
    store = {"active_manifest": "a", "manifests": {"a": {"assertions": [{"label": label, "data": data}]}}}
    assert credentials.read(json.dumps(store), "Trusted")[0].train == expected


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"manifests": 1, "active_manifest": 1}', "[" * 100_000])
def test_a_store_that_is_none(text: str) -> None:
    assert credentials.read(text, "Trusted")[0] == UNKNOWN


@pytest.mark.parametrize("media", [film(), picture(), picture("PNG"), b"\x1a\x45\xdf\xa3" + bytes(99), b"text", b""])
def test_without_a_manifest_nothing_is_said(media: bytes, tmp_path: Path) -> None:
    assert read(media, tmp_path).says == NOTHING


def test_a_cut_file_is_unknown(tmp_path: Path) -> None:
    data = signed(film(), "video/mp4", training(NEW, ai_training="notAllowed"))
    assert read(data[:3000], tmp_path).says == UNKNOWN


def test_a_manifest_elsewhere_is_not_fetched(tmp_path: Path) -> None:
    data = signed(picture(), "image/jpeg", training(NEW, ai_training="allowed"), remote="http://127.0.0.1:9/x.c2pa")
    signal = read(data, tmp_path)
    assert signal.says == UNKNOWN
    assert "remote" in signal.words.lower()


def test_trust_anchors_that_are_none(tmp_path: Path) -> None:
    data = signed(film(), "video/mp4", training(NEW, ai_training="allowed"))
    assert read(data, tmp_path, str(tmp_path / "absent.pem")).says == UNKNOWN
    (tmp_path / "bad.pem").write_text("no certificate")
    assert read(data, tmp_path, str(tmp_path / "bad.pem")).says in (UNKNOWN, NOTHING)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    visit = Visit(SignalSettings(), lambda uri, limit: Answer(uri, 404, golden.NOW), lambda: golden.NOW)
    assert credentials.of_file(tmp_path / "absent.mp4", "film", visit)[0].says == UNKNOWN
