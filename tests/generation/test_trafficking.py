"""Trafficking: each platform gets its files, whole and named safely, and a list that no spreadsheet runs."""

from __future__ import annotations

import csv
import hashlib
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.approvals import Approval
from generation.trafficking import COLUMNS, LONGEST_NAME, safe_name, traffic
from transforms.failures import ElementError


def row(out: Path, asset: str, **more) -> dict:
    """A row of `assets`, with its file."""
    data = f"file of {asset}".encode()
    path = out / "generation" / "assets" / f"{asset}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return {
        "asset_id": asset, "campaign": "c", "cell": "language=de", "sample": 0, "name": f"name-{asset}",
        "product": None, "language": "de", "markets": ["AT", "DE"], "format": "story", "platform": "meta-reels",
        "width": 1080, "height": 1920, "seconds": 15.0, "frame_rate": "25", "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(), "headline": "Immer kalt", "disclosure": "KI-generiert",
        "factors": [("hook", "a"), ("cta", "b")], "works": None, "uri": f"generation/assets/{asset}.mp4",
        "withdrawn": None, **more,
    }  # fmt: skip


def listed(folder: Path, platform: str) -> list[dict[str, str]]:
    with open(folder / platform / "list.csv", encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def test_every_platform_gets_its_files_and_a_list_of_them(tmp_path):
    rows = [row(tmp_path, "a"), row(tmp_path, "b", platform="tiktok"), row(tmp_path, "c", platform=None)]
    done = traffic(str(tmp_path), rows, str(tmp_path / "to"))
    assert done.files == {"meta-reels": ("name-a.mp4",), "tiktok": ("name-b.mp4",), "other": ("name-c.mp4",)}
    assert done.left_out == {}
    assert (tmp_path / "to" / "tiktok" / "name-b.mp4").read_bytes() == b"file of b"
    (one,) = listed(tmp_path / "to", "meta-reels")
    assert tuple(one) == COLUMNS
    assert one["file"] == "name-a.mp4"
    assert one["markets"] == "AT | DE"
    assert one["factors"] == "hook=a | cta=b"
    assert one["works"] == one["product"] == ""


def test_only_what_is_approved_as_it_is_goes_out(tmp_path):
    rows = [row(tmp_path, asset) for asset in "abcd"]

    def said(asset: str, verdict: str, sha256: str) -> Approval:
        return Approval(asset_id=asset, sha256=sha256, verdict=verdict, who="ann", at="2026-11-23")

    approvals = [
        said("a", "approve", rows[0]["sha256"]),
        said("b", "reject", rows[1]["sha256"]),
        said("c", "approve", "another"),
    ]
    done = traffic(str(tmp_path), rows, str(tmp_path / "to"), approvals)
    assert done.files == {"meta-reels": ("name-a.mp4",)}
    assert done.left_out == {"b": "rejected", "c": "changed", "d": "open"}
    assert sorted(path.name for path in (tmp_path / "to" / "meta-reels").iterdir()) == ["list.csv", "name-a.mp4"]


def test_what_was_withdrawn_never_goes_out(tmp_path):
    rows = [row(tmp_path, "a", withdrawn="mia-no"), row(tmp_path, "b", uri=None)]
    done = traffic(str(tmp_path), rows, str(tmp_path / "to"))
    assert done.files == {}
    assert done.left_out == {"a": "withdrawn: mia-no", "b": "withdrawn: its file is gone"}


def test_a_file_that_is_not_the_one_of_its_row_stops_it(tmp_path):
    rows = [row(tmp_path, "a", sha256="0" * 64)]
    with pytest.raises(ElementError, match="not the file of its row"):
        traffic(str(tmp_path), rows, str(tmp_path / "to"))
    assert not (tmp_path / "to").exists()


def test_no_cell_of_the_list_runs_as_a_formula(tmp_path):
    rows = [row(tmp_path, "a", headline='=HYPERLINK("http://ex.org")', works=["@x"], disclosure="-1")]
    traffic(str(tmp_path), rows, str(tmp_path / "to"))
    (one,) = listed(tmp_path / "to", "meta-reels")
    assert one["headline"] == '\'=HYPERLINK("http://ex.org")'
    assert (one["works"], one["disclosure"]) == ("'@x", "'-1")


def test_names_that_would_be_the_same_file_are_told_apart(tmp_path):
    rows = [
        row(tmp_path, "a" * 32, name="Flask/Wide"),
        row(tmp_path, "b" * 32, name="flask wide"),
        row(tmp_path, "c" * 32, name="قارورة"),
    ]
    done = traffic(str(tmp_path), rows, str(tmp_path / "to"))
    assert done.files["meta-reels"] == (
        "Flask-Wide.mp4",
        f"{'c' * 32}.mp4",
        "flask-wide-bbbbbbbb.mp4",
    )


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("product=flask/language=ar", "product_flask-language_ar"),
        ("Größe Ærø łódź", "Grosse-AEro-lodz"),
        ("../../etc/passwd", "etc-passwd"),
        ("con", "_con"),
        ("NUL.txt", "_NUL.txt"),
        ("...", "otherwise"),
        ("x" * 300, "x" * LONGEST_NAME),
    ],
)
def test_names_are_in_characters_that_everybody_takes(name, safe):
    assert safe_name(name, "otherwise") == safe


@given(st.text())
def test_no_name_leaves_its_folder(name):
    safe = safe_name(name, "otherwise")
    assert set(safe) <= set(string.ascii_letters + string.digits + "._-")
    assert safe.strip(".")
    assert len(safe) <= LONGEST_NAME + 1
    assert safe_name(safe, "otherwise") in (safe, safe.lstrip("_"))
