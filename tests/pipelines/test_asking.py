"""Machine-readable signals in the main job: asked before a source is read, looked for in its file, and remembered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from filters.rights import registry
from filters.rights.registry import Registry
from pipelines import rights, screen
from tests.filters.rights.said import EVERYBODY, put
from tests.filters.rights.signals import golden
from tests.filters.rights.signals.test_origin import AI, xmp
from tests.pipelines import corpora
from tests.pipelines.test_screening import FILM, known, named, sha256
from tests.servers import WebServer
from transforms import tables, views
from transforms.settings import ConfigError

ASK = ("--signals", "--allow-private-addresses")


@pytest.fixture
def held(tmp_path: Path) -> Registry:
    made = registry.create(str(tmp_path / "rights"))
    put(made, *EVERYBODY)
    return made


def asked(inputs: Any, out: Path, held: Registry, *extra: str) -> dict[str, Any]:
    code, told = corpora.curate(inputs, out, "--rights", held.root, *ASK, *extra)
    assert code == 0
    return told


def verdicts(out: Path) -> dict[str, tuple[str, list[str]]]:
    rows = corpora.rows(out)["verdicts"]
    return {row["subject"].rsplit("/", 1)[1]: (row["verdict"], row["words"]) for row in rows if row["use"] == "train"}


def test_a_site_that_forbids_it_is_not_read_and_one_that_does_not_answer_is_unknown(tmp_path: Path, held: Registry):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    with WebServer() as shut, WebServer() as free, WebServer() as broken:
        for server in (shut, free, broken):
            server.files[f"/{FILM}"] = footage / FILM
        shut.files["/robots.txt"] = b"User-agent: *\nDisallow: /\n"
        free.files["/robots.txt"] = b"User-agent: *\nAllow: /\n"
        broken.faults["/robots.txt"].extend([500] * 99)
        broken.files["/c.webm"] = footage / "c_film.webm"
        listed = tmp_path / "list.csv"
        uris = [f"{shut.address}/shut/{FILM}", f"{free.address}/{FILM}", f"{broken.address}/c.webm"]
        shut.files[f"/shut/{FILM}"] = footage / "a_cuts.mp4"
        listed.write_text("uri\n" + "\n".join(uris) + "\n")
        told = asked(listed, out, held)
        assert told["balance"]["sources"]["dropped"] == {"denied": 1}
        assert not [one for one in shut.asked if one.method == "GET" and one.path != "/robots.txt" and FILM in one.path]
    rows = corpora.rows(out)
    by = {row["subject"]: row["verdict"] for row in rows["verdicts"] if row["use"] == "train"}
    assert by == dict(zip(uris, ["deny", "allow", "unknown"], strict=True))
    assert named(rows, "clips") == {sha256(footage / FILM), sha256(footage / "c_film.webm")}
    usable = set(views.trainable(tables.open_corpus(str(out))).column("uri").to_pylist())
    assert usable <= {uris[1]}
    said = {(row["subject"], row["protocol"]): row["train"] for row in rows["rights_signals"]}
    assert said[uris[0], "robots.txt"] == "deny"
    assert said[uris[2], "robots.txt"] == "unknown"


def test_what_a_file_says_is_heard_before_it_is_decoded_and_goes_with_its_bytes(tmp_path: Path, held: Registry):
    footage, out = corpora.tiny_corpus(tmp_path) / FILM, tmp_path / "out"
    footage.write_bytes(footage.read_bytes() + golden.uuid_box(golden.xmp("DMI-PROHIBITED-AIMLTRAINING")))
    first = asked(footage, out, held)
    assert (first["balance"]["sources"]["dropped"], first["decoded_frames"]) == ({"denied": 1}, 0)
    (verdict, words) = verdicts(out)[FILM]
    assert verdict == "deny"
    assert "DMI-PROHIBITED-AIMLTRAINING" in words[0]
    copied = footage.with_name("again.mp4")
    copied.write_bytes(footage.read_bytes())
    assert asked(copied, out, held)["balance"]["sources"]["kept"] == 0


def test_bytes_that_were_read_before_are_looked_into_without_decoding_and_screening_again_hears_it(
    tmp_path: Path, held: Registry
):
    footage, out = corpora.tiny_corpus(tmp_path) / FILM, tmp_path / "out"
    code, _ = corpora.curate(footage, out, "--rights", held.root)
    assert code == 0
    told = asked(footage, out, held)
    assert told["decoded_frames"] == 0
    rows = corpora.rows(out)["rights_signals"]
    assert {row["place"] for row in rows} == {"file"}
    assert {row["train"] for row in rows} == {"unset"}
    again = asked(footage, out, held)
    assert (again["read_bytes"], again["reused"]["videos"]) == (0, 1)
    assert screen.run(["--output", str(out), "--rights", held.root, "--no-report"]) == 0
    assert verdicts(out)[FILM][0] == "allow"


def test_a_site_that_forbids_it_later_takes_away_what_its_bytes_were_though_nobody_knows_them_any_more(
    tmp_path: Path, held: Registry
):
    footage, out = corpora.tiny_corpus(tmp_path) / FILM, tmp_path / "out"
    with WebServer() as server:
        uri = f"{server.address}/{FILM}"
        server.files |= {f"/{FILM}": footage, "/robots.txt": b"User-agent: *\nAllow: /\n"}  # No ETag and no date.
        asked(uri, out, held)
        assert named(corpora.rows(out), "captions") == {sha256(footage)}
        server.files["/robots.txt"] = b"User-agent: *\nDisallow: /\n"
        for _ in range(2):  # The second time there is no row of `sources` to go by.
            assert asked(uri, out, held)["balance"]["sources"]["dropped"] == {"denied": 1}
            found = corpora.rows(out)
            assert [found[table] for table in ("sources", "videos", "clips", "captions")] == [[], [], [], []]
            assert named(found, "verdicts") == named(found, "rights_signals") == {sha256(footage)}
    assert asked(footage, out, held)["balance"]["sources"]["kept"] == 0  # The same bytes from elsewhere.


def test_signals_need_a_registry_and_protocols_that_exist(tmp_path: Path, held: Registry):
    footage = corpora.tiny_corpus(tmp_path)
    with pytest.raises(ConfigError, match="name the registry too"):
        corpora.curate(footage, tmp_path / "out", "--signals")
    with pytest.raises(ConfigError, match="--skip-protocols semaphore"):
        corpora.curate(footage, tmp_path / "out", "--rights", held.root, "--signals", "--skip-protocols", "semaphore")


def test_what_sites_say_later_is_told(tmp_path: Path, held: Registry, capsys: pytest.CaptureFixture[str]):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    with WebServer() as server:
        server.files |= {f"/{FILM}": footage / FILM, "/robots.txt": b"User-agent: *\nAllow: /\n"}
        asked(f"{server.address}/{FILM}", out, held)
        argv = ["recheck", "--output", str(out), "--allow-private-addresses"]
        capsys.readouterr()
        assert rights.run(argv) == 0
        assert "asked about 1 sources; signals that changed: 0" in capsys.readouterr().out
        server.files["/robots.txt"] = b"User-agent: GPTBot\nDisallow: /\n"
        assert rights.run([*argv, "--json"]) == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert one["now"] == "deny train"
    assert "says deny train" in one["words"]


def test_generated_footage_is_marked_and_kept_out_of_training_unless_it_is_let_in(tmp_path: Path, held: Registry):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    for name in ("a_cuts.mp4", "d_tiny.mp4", "e_copy.mp4", corpora.DAMAGED):
        (footage / name).unlink()
    labelled = footage / FILM
    labelled.write_bytes(labelled.read_bytes() + golden.uuid_box(xmp(f'e:DigitalSourceType="{AI}"/>')))
    ours, ledger = footage / "c_film.webm", tmp_path / "ours.txt"
    ledger.write_text(f"{sha256(ours)}  ad 7\n")
    listed = ("--generated", str(ledger))

    def trains() -> dict[str, tuple[str, bool, str | None]]:
        rows = [row for row in corpora.rows(out)["verdicts"] if row["use"] == "train"]
        return {Path(row["subject"]).name: (row["verdict"], row["kept_out"], row["origin"]) for row in rows}

    def usable() -> dict[str, str]:
        rows = views.trainable(tables.open_corpus(str(out))).select(["uri", "origin"]).to_pylist()
        return {Path(row["uri"]).name: row["origin"] for row in rows}

    assert asked(footage, out, held, *listed)["balance"]["sources"]["dropped"] == {}
    assert trains() == {FILM: ("allow", True, "generated"), ours.name: ("allow", True, "generated")}
    assert usable() == {}
    found = corpora.rows(out)
    assert {row["video_id"] for row in found["clips"]} == {sha256(labelled), sha256(ours)}  # Nobody refused it.
    (row,) = [v for v in found["verdicts"] if v["use"] == "train" and v["subject"] == str(labelled)]
    assert row["words"][-1].startswith("generated: IPTC data mining at ")
    assert row["words"][-1].endswith("made by trainedAlgorithmicMedia")
    assert "watermark" in row["not_checked"]
    assert {v["kept_out"] for v in found["verdicts"] if v["use"] == "caption"} == {False}
    # Screening again hears what was said then, without opening a source or the list.
    put(held, known("film", "sha256", sha256(labelled)), known("film", "sha256", sha256(ours)), on=2)
    again = ["--output", str(out), "--rights", held.root, "--no-report", "--on-generated", "let-in"]
    assert screen.run(again) == 0
    assert trains() == {FILM: ("allow", False, "generated"), ours.name: ("allow", False, "generated")}
    assert usable() == {FILM: "generated", ours.name: "generated"}
    with pytest.raises(ConfigError, match="give --signals too"):
        corpora.curate(footage, out, "--rights", held.root, *listed)


def test_the_page_that_a_list_names_is_asked_too(tmp_path: Path, held: Registry):
    footage, out = corpora.tiny_corpus(tmp_path), tmp_path / "out"
    with WebServer() as server:
        server.files["/watch.html"] = b'<head><meta name="tdm-reservation" content="1"></head>'
        server.files["/free.html"] = b"<head></head>"
        listed = tmp_path / "list.csv"
        pages = {FILM: "watch", "c_film.webm": "watch", "d_tiny.mp4": "free"}
        rows = [f"{footage / name},{server.address}/{page}.html" for name, page in pages.items()]
        listed.write_text("\n".join(["uri,webpage_url", *rows, f"{footage / 'a_cuts.mp4'},see page 7"]) + "\n")
        told = asked(listed, out, held, "--children", "1")
        assert told["balance"]["sources"]["dropped"] == {"denied": 2}
        assert [one.path for one in server.asked if one.method == "GET"].count("/watch.html") == 1
    found = verdicts(out)
    assert {name: verdict for name, (verdict, _) in found.items()} == {
        FILM: "deny", "c_film.webm": "deny", "d_tiny.mp4": "allow", "a_cuts.mp4": "allow"
    }  # fmt: skip
    assert "TDMRep at " in found[FILM][1][0]
