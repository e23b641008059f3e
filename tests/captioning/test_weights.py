from __future__ import annotations

import sys
from pathlib import Path

import pytest

from captioning.weights import check_packages, digest_of, package
from transforms.settings import ConfigError

MIB = 1 << 20


def test_a_digest_stands_for_bytes_and_names_wherever_they_lie(tmp_path: Path):
    for folder in ("one", "other"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.bin").write_bytes(b"weights")
        (tmp_path / folder / "b.json").write_bytes(b"{}")
    one = [tmp_path / "one" / name for name in ("a.bin", "b.json")]
    other = [tmp_path / "other" / name for name in ("b.json", "a.bin")]
    assert digest_of(one) == digest_of(other)
    assert len(digest_of(one)) == 12
    assert digest_of(one[:1]) != digest_of(one)
    other[0].write_bytes(b"[]")
    assert digest_of(other) != digest_of(one)
    empty = tmp_path / "empty"
    empty.touch()
    assert digest_of([empty]) == digest_of([empty])


def test_a_changed_tensor_inside_a_large_file_is_seen(tmp_path: Path):
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.truncate(200 * MIB)  # sparse: it takes no space
    before = digest_of([path])
    for place in (0, 77 * MIB + 12345, 200 * MIB - 1):
        with path.open("r+b") as file:
            file.seek(place)
            file.write(b"\1" * min(MIB // 2, 200 * MIB - place))
        after = digest_of([path])
        assert after != before
        before = after
    with path.open("r+b") as file:
        file.truncate(200 * MIB + 1)
    assert digest_of([path]) != before


def test_a_missing_package_is_named_with_the_remedy(monkeypatch):
    check_packages("--captioner x", "json", "importlib")
    assert package("--captioner x", "json").loads("1") == 1
    monkeypatch.setitem(sys.modules, "gone", None)
    for name in ("gone", "never_heard_of"):
        said = rf"--captioner x needs {name}, which is not installed: pip install 'rushes\[models\]'"
        with pytest.raises(ConfigError, match=said):
            check_packages("--captioner x", "json", name)
        with pytest.raises(ConfigError, match=said):
            package("--captioner x", name)
