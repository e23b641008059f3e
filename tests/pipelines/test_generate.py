"""The job `generate`: a campaign over a real server that misbehaves, killed and repeated, and taken back afterwards."""

from __future__ import annotations

import functools
import signal
import textwrap
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from filters.rights import registry
from filters.rights.registry import Registry
from pipelines import approve, generate, main, screen
from tests.filters.rights.said import EVERYBODY, put, say
from tests.filters.rights.test_prompts import name
from tests.generation.engines.videoserver import Fault, VideoServer
from tests.pages import browser
from tests.pipelines.processes import Rushes
from transforms import tables

CAMPAIGN = """\
    campaign: walk
    brand: {name: Tern}
    products:
      boot: {name: Tern Boot, pictures: [boot.png], facts: [weighs 400 g]}
    languages:
      en: {markets: [DE]}
      ar: {markets: [DE]}
    formats:
      wide: {width: 320, height: 180, seconds: 3}
      square: {width: 240, height: 240, seconds: 3}
    storyboards:
      main:
        shots:
          - {name: far, prompt: a wide valley in the morning, seconds: 1, product: false}
          - {name: near, prompt: "a brown boot on a rock, it weighs 400 g", seconds: 1, copy: [headline]}
        end_card: {}
    copy:
      headline: {en: Walk on, ar: واصل السير}
    tiers:
      paid: {engine: "%s", leave_out: [subject]}
    attempts: 3
    budget: {currency: USD, campaign: 20.00}
"""


def engine(server: VideoServer, **more: str) -> str:
    words = {
        "url": server.url, "dialect": "vllm-omni", "price": "0.10", "price_as_of": "2026-11-01", "licence": "test",
        "commercial": "yes", "modes": "text,image,extend", "sizes": "", "least": "64", "findable": "yes", **more,
    }  # fmt: skip
    return "videos-api:m," + ",".join(f"{key}={value}" for key, value in words.items() if value)


def written(folder: Path, spec: str, *changes: tuple[str, str]) -> Path:
    """A campaign's file, with a picture beside it."""
    text = textwrap.dedent(CAMPAIGN) % spec
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    folder.mkdir(exist_ok=True)
    shades = np.linspace(40, 200, 96 * 64 * 3).reshape(96, 64, 3).astype(np.uint8)
    Image.fromarray(shades).save(folder / "boot.png")
    path = folder / "campaign.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def rows(out: Path, table: str) -> list[dict[str, Any]]:
    return list(tables.read(tables.open_corpus(str(out)), table).to_pylist())


def run(path: Path, out: Path, *more: str) -> int:
    return main.guarded(generate.run, [str(path), "--output", str(out), "--rights", "none", "--grace", "1", *more])


def spent(out: Path) -> int:
    return sum(row["settled_micros"] for row in rows(out, "requests"))


@pytest.mark.slow
def test_a_campaign_over_a_server_with_faults_is_made_once_and_paid_once(tmp_path, capsys):
    out = tmp_path / "out"
    with VideoServer() as server:
        path = written(tmp_path / "campaign", engine(server))
        server.faults += [
            Fault("429", match="valley"),
            Fault("cut", match="boot"),
            Fault("poll-500", match="valley", polls=2),
            Fault("wrong-size", match="valley"),
        ]
        assert run(path, out) == 0, capsys.readouterr()
        made, charged = rows(out, "assets"), server.charged
        assert len(made) == 4
        paid = Counter(row["state"] for row in rows(out, "requests"))
        assert paid == {"stored": 4, "rejected": 1}  # Two shots in two shapes; one came in a wrong size.
        assert spent(out) == charged == sum(job.cost for job in server.made.values())
        assert {row["verdict"] for row in made} == {"unchecked"}
        for row in made:
            with av.open(str(out / row["uri"])) as file:
                stream = file.streams.video[0]
                size = stream.width, stream.height, sum(1 for _ in file.decode(stream))
            assert size == (row["width"], row["height"], 75)
        calls = server.creates()

        capsys.readouterr()
        assert run(path, out) == 0
        assert server.creates() == calls
        assert rows(out, "assets") == made
        assert "0 of 4 requests are new" in capsys.readouterr().out

        text = path.read_text(encoding="utf-8").replace("Walk on", "Go on")
        path.write_text(text, encoding="utf-8")
        assert run(path, out) == 0
        assert server.creates() == calls  # Other words on a picture make no other picture.
        changed = {row["language"] for row in rows(out, "assets") if row not in made}
        assert changed >= {"en"}


@pytest.mark.slow
def test_what_the_engine_refuses_is_not_sent_again_and_costs_only_its_own_assets(tmp_path, capsys):
    out = tmp_path / "out"
    with VideoServer() as server:
        path = written(tmp_path / "campaign", engine(server))
        server.faults.append(Fault("moderation", match="boot", times=9))
        assert run(path, out) == 0
        shown = capsys.readouterr().out
        assert rows(out, "assets") == []
        states = Counter(row["state"] for row in rows(out, "requests"))
        assert states == {"stored": 2, "refused": 2}
        assert "refused 4" in shown
        calls = server.creates()
        assert run(path, out) == 0
        assert server.creates() == calls
    page = (out / "generation" / "walk.html").read_text("utf-8")
    assert "refused" in page
    assert [each.name for each in out.rglob("*.html")] == ["walk.html"], "and no page of clips, of which there are none"


@pytest.mark.slow
def test_a_file_that_never_comes_whole_costs_its_assets_and_is_followed_up_by_the_next_run(tmp_path, capsys):
    out = tmp_path / "out"
    with VideoServer() as server:
        path = written(tmp_path / "campaign", engine(server))
        server.faults.append(Fault("truncated", match="boot"))
        assert run(path, out, "--patience", "2") == 0
        assert "done 1" in capsys.readouterr().out
        assert len(rows(out, "assets")) == 2
        assert spent(out) == server.charged
        calls = server.creates()
        assert run(path, out, "--patience", "2") == 0
        assert server.creates() == calls


def sent(server: VideoServer, count: int, one: Rushes) -> bool:
    return server.creates() >= count or not one.running


@pytest.mark.slow
def test_killed_at_any_moment_it_goes_on_where_it_was(tmp_path):
    out = tmp_path / "out"
    with VideoServer() as server:
        server.takes = 0.5
        path = written(tmp_path / "campaign", engine(server))
        arguments = ["generate", str(path), "--output", str(out), "--rights", "none", "--grace", "1", "--lease", "1"]
        for count in (1, 3):
            one = Rushes(arguments, tmp_path / "run")
            browser.until(functools.partial(sent, server, count, one), 60)
            one.signal(signal.SIGKILL)
            one.wait()
        last = Rushes(arguments, tmp_path / "run")
        assert last.wait(200) == 0, last.output
        assert len(rows(out, "assets")) == 4
        assert len(server.made) == server.creates() == 4
        assert spent(out) == server.charged


def test_without_a_registry_only_drawings_are_made_unless_it_is_said(tmp_path, capsys):
    with VideoServer() as server:
        path = written(tmp_path / "campaign", engine(server))
        assert main.guarded(generate.run, [str(path), "--output", str(tmp_path / "out")]) == 2
        assert "--rights none" in capsys.readouterr().err
        assert not server.creates()
    assert not (tmp_path / "out").exists()


def test_a_bucket_is_refused_and_so_is_a_file_for_workers_elsewhere(tmp_path, capsys):
    path = written(tmp_path / "campaign", "animatic")
    assert main.guarded(generate.run, [str(path), "--output", "s3://b/out"]) == 2
    assert "generated files are written to a folder" in capsys.readouterr().err
    flink = ["--runner", "FlinkRunner"]
    assert main.guarded(generate.run, [str(path), "--output", str(tmp_path / "out"), *flink]) == 2
    assert "PostgreSQL" in capsys.readouterr().err


@pytest.fixture
def held(tmp_path: Path) -> Registry:
    made = registry.create(str(tmp_path / "rights"))
    both: dict[str, Any] = {"uses": ["generate", "display"]}
    put(
        made,
        *EVERYBODY,
        name("duck", "Sir Quack"),
        say("duck-yes", "grant", "bolt", "duck", on=1, share_bp=300, **both),
        say("eva-yes", "grant", "eva", "eva", through="agent", on=1, **both),
        say("film-yes", "grant", on=1, valid_until=datetime(2099, 1, 1, tzinfo=UTC), **both),
    )
    return made


STARRING = (
    "    storyboards:\n", "    references:\n      eva: {file: boot.png, likeness: eva}\n"
    "      film: {file: boot.png, works: [film]}\n    storyboards:\n",
)  # fmt: skip


@pytest.mark.slow
def test_a_consent_revoked_and_a_licence_lapsed_take_back_exactly_their_descendants(tmp_path, held, capsys):
    out = tmp_path / "out"
    starring = (textwrap.dedent(STARRING[0]), textwrap.dedent(STARRING[1]))
    boards = """\
  eva:
    shots: [{name: a, prompt: somebody walks along a river, references: [eva], product: false}]
  film:
    shots: [{name: b, prompt: a hall with pillars, references: [film], product: false}]
copy:
"""
    changes = [starring, ("copy:\n", boards), ("  square: {width: 240, height: 240, seconds: 3}\n", "")]
    path = written(tmp_path / "campaign", "animatic", *changes)
    assert main.guarded(generate.run, [str(path), "--output", str(out), "--rights", held.root]) == 0
    made = {row["asset_id"]: row for row in rows(out, "assets")}
    by_board: dict[str, set[str]] = {}
    for row in made.values():
        by_board.setdefault(dict(part.split("=") for part in row["cell"].split("/"))["storyboard"], set()).add(
            row["asset_id"]
        )
    assert {board: len(some) for board, some in by_board.items()} == {"main": 2, "eva": 2, "film": 2}
    uses = {(row["used_in"], row["statement_id"], row["use"]) for row in rows(out, "licensed_uses")}
    assert uses == {
        (asset, f"{board}-yes", "display") for board in ("eva", "film") for asset in by_board[board]
    }  # fmt: skip
    assert main.guarded(generate.run, [str(path), "--output", str(out), "--rights", held.root]) == 0
    assert len(rows(out, "licensed_uses")) == 4

    put(held, say("eva-no", "revoke", "eva", "eva", target="eva-yes", revocation_effect="future_only"), on=2)
    argv = ["--output", str(out), "--rights", held.root, "--as-of", "2099-02-01"]
    assert main.guarded(screen.run, argv) == 0
    told = {(row["kind"], row["id"], row["action"], row["removed"]) for row in rows(out, "retractions")}
    gone = by_board["eva"] | by_board["film"]
    assert told == {("asset", asset, "withdraw", False) for asset in gone}
    assert all((out / row["uri"]).exists() for row in made.values())

    assert main.guarded(screen.run, [*argv, "--apply"]) == 0
    after = {row["asset_id"]: row for row in rows(out, "assets")}
    assert {asset for asset, row in after.items() if row["withdrawn"]} == gone
    assert {asset for asset, row in made.items() if not (out / row["uri"]).exists()} == gone
    assert all((out / made[asset]["plate_uri"]).exists() for asset in by_board["main"])
    assert not any((out / made[asset]["plate_uri"]).exists() for asset in gone)

    assert main.guarded(generate.run, [str(path), *argv]) == 0
    again = {row["asset_id"]: row for row in rows(out, "assets")}
    columns = ("asset_id", "sha256", "withdrawn")
    assert [[row[c] for c in columns] for row in again.values()] == [
        [row[c] for c in columns] for row in after.values()
    ]
    assert {
        asset for asset, row in again.items() if not (out / row["uri"]).exists()
    } == gone  # What may not be made any more is not made again.


@pytest.mark.slow
def test_a_sample_is_approved_before_the_rest_is_made(tmp_path, capsys):
    out = tmp_path / "out"
    path = written(tmp_path / "campaign", "animatic", ("attempts: 3", "attempts: 3\nsample_cells: 1"))
    assert run(path, out) == 0
    (first,) = rows(out, "assets")
    assert "waits for approval 3" in capsys.readouterr().out
    assert main.guarded(approve.run, [str(out), first["asset_id"]]) == 0
    assert run(path, out) == 0
    assert len(rows(out, "assets")) == 4


@pytest.mark.slow
def test_stopped_nothing_is_sent_until_it_may_go_on(tmp_path, capsys):
    out = tmp_path / "out"
    with VideoServer() as server:
        path = written(tmp_path / "campaign", engine(server, in_flight="1"))
        server.faults.append(Fault("moderation", times=9))
        assert run(path, out) == 0
        assert main.guarded(generate.run, ["stop", str(out), "--why", "wrong price"]) == 0
        path.write_text(path.read_text("utf-8").replace("valley", "meadow"), "utf-8")
        calls = server.creates()
        assert run(path, out) == 0
        assert server.creates() == calls
        capsys.readouterr()
        assert main.guarded(generate.run, ["status", str(out)]) == 0
        assert "wrong price" in capsys.readouterr().out
        server.faults.clear()
        assert main.guarded(generate.run, ["go", str(out)]) == 0
        assert run(path, out) == 0
        assert server.creates() == calls + 2


@pytest.mark.slow
def test_the_page_plays_what_was_made_and_fits_a_phone(tmp_path):
    out = tmp_path / "out"
    path = written(tmp_path / "campaign", "animatic", ("  square: {width: 240, height: 240, seconds: 3}\n", ""))
    with browser.chromium() as shown:
        assert run(path, out) == 0
        shown.get((out / "generation" / "walk.html").as_uri())
        ready = (
            "return [...document.querySelectorAll('video')].map((v) => [v.readyState > 0, v.duration, v.videoWidth])"
        )
        browser.until(lambda: shown.execute_script(ready) == [[True, 3, 320]] * 2, 20)
        choose = "const s = document.querySelector('[data-of=language]'); s.value = 'ar';"
        shown.execute_script(f"{choose} s.dispatchEvent(new Event('change'));")
        assert shown.execute_script("return document.getElementById('shown').textContent") == "1 of 2"
        for width in (1280, 390):
            browser.resized(shown, width)
            assert shown.execute_script("return document.documentElement.scrollWidth") <= width
        assert browser.complaints(shown) == []
