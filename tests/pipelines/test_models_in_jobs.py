"""Whole jobs with true models: films of rendered scenes, described by models that were trained on other scenes.

Each scene is one clip of a film, so that a caption tells whose it is: colour, shape and way of moving are the clip's
own. Nothing stands in for a model or for a server.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from benchmarks import whisper_base
from captioning.captioner import Answer, ModelCaptioner, Window, has_model, load_captioner
from captioning.recogniser import load_recogniser, read_sound
from captioning.speech.voice import load_voice
from captioning.windows import stretches
from pipelines import describing, recaption
from pipelines.answering import Pictures
from pipelines.config import Config
from tests.captioning.served import Served, served
from tests.captioning.smallmodels import FRAMES, SECONDS, Scene, scenes, small_coca, small_vlm
from tests.captioning.speech import tinywhisper
from tests.pipelines import corpora
from transforms import pool, tables
from transforms.settings import ConfigError
from transforms.spoken import Spoken
from transforms.store import Store

__all__ = ["served", "small_coca", "small_vlm"]  # fixtures

pytestmark = pytest.mark.slow

FILMS, EACH = 9, 8
"""Films, and scenes in each."""
RATE, SIDE = 16, 96
SMOOTH = ("--min-sharpness", "none")
"""Options: some scenes are as smooth as a blurred picture."""
TOLD = "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."

NASA = "torchcodec_nasa_13013.mp4"

Film = Sequence[Scene]
Rows = list[dict[str, Any]]


def films(seed: int, count: int) -> list[Film]:
    """Films of scenes that nothing was trained on, dark and light by turns: their cuts are hard ones."""
    unseen = scenes(96, seed)
    dark, light = ([scene for scene in unseen if scene.ground == ground] for ground in ("dark", "light"))
    turns = [scene for pair in zip(dark, light, strict=True) for scene in pair]
    return [turns[n * EACH : (n + 1) * EACH] for n in range(count)]


def render(path: Path, film: Film, sound: Any) -> None:
    """A film as H.264 with its sound, (samples,) at 16 kHz, as AAC."""
    count = round(RATE * SECONDS)
    with av.open(str(path), "w", options={"fflags": "+bitexact"}) as out:
        video = out.add_stream("libx264", rate=RATE, options={"preset": "superfast", "crf": "18", "threads": "1"})
        video.width = video.height = SIDE
        video.pix_fmt = "yuv420p"
        audio = out.add_stream("aac", rate=16_000, layout="mono")
        for scene in film:
            for n in range(count):
                out.mux(video.encode(av.VideoFrame.from_image(scene.picture((n + 0.5) / count, SIDE))))
        out.mux(video.encode(None))
        heard = av.AudioFrame.from_ndarray(np.asarray(sound, np.float32)[None], "fltp", "mono")
        heard.sample_rate = 16_000
        out.mux(audio.encode(heard))
        out.mux(audio.encode(None))


@dataclasses.dataclass
class Job:
    """A curated corpus: its films by their file names, its output, its report and the words that made it."""

    footage: Path
    films: dict[str, Film]
    out: Path
    report: dict[str, Any]
    words: tuple[str, ...]

    @property
    def clips(self) -> int:
        return sum(map(len, self.films.values()))


def rows(out: Path, table: str, **columns: Any) -> Rows:
    found = tables.read(tables.open_corpus(str(out)), table).to_pylist()
    return [row for row in found if all(row[name] == value for name, value in columns.items())]


def shown(job: Job) -> dict[str, Scene]:
    """The scene of every kept clip, by the file that it is of and when it begins; every scene is a clip."""
    files = {row["video_id"]: Path(row["uri"]).name for row in rows(job.out, "sources")}
    found = {}
    for clip in rows(job.out, "clips", kept=True):
        place = clip["start_seconds"] / SECONDS
        assert place == pytest.approx(round(place), abs=0.01)
        assert clip["seconds"] == pytest.approx(SECONDS, abs=0.01)
        found[clip["clip_id"]] = job.films[files[clip["video_id"]]][round(place)]
    assert len(found) == job.clips
    return found


def right(captions: Rows, truth: dict[str, Scene], *parts: str) -> float:
    """The share of captions that name all these parts of their own clip's scene, and of no clip is there none."""
    assert {row["clip_id"] for row in captions} == set(truth)
    assert len(captions) == len(truth)
    said = [(truth[row["clip_id"]], set(row["text"].replace(".", " ").split())) for row in captions]
    return sum(all(getattr(scene, part) in words for part in parts) for scene, words in said) / len(said)


def again(out: Path, *words: str) -> tuple[int, dict[str, Any]]:
    """Recaption; the exit code and the report."""
    try:
        return recaption.run(["--output", str(out), "--no-report", *words]), corpora.report(out)
    finally:
        pool.kill_all()


def stored(out: Path) -> dict[str, tuple[int, int]]:
    """Every file of the store with its size and its time."""
    found = ((str(path), path.stat()) for path in (out / "store").rglob("*") if path.is_file())
    return {name: (status.st_size, status.st_mtime_ns) for name, status in found}


def model_of(spec: str) -> ModelCaptioner:
    captioner = load_captioner(spec)
    assert has_model(captioner)
    return captioner


def texts(captions: Rows) -> dict[tuple[str, str], str]:
    return {(row["clip_id"], row["kind"]): row["text"] for row in captions}


@pytest.fixture(scope="session")
def speech(request: pytest.FixtureRequest) -> Any:
    """Eleven seconds of a speech where it is there, else of a tone: samples at 16 kHz."""
    with contextlib.suppress(pytest.skip.Exception):
        media: Path = request.getfixturevalue("media")
        return read_sound((media / "speech/whisper_jfk.flac").read_bytes())
    return 0.2 * np.sin(np.arange(11 * 16_000) * 0.2, dtype=np.float32)


@pytest.fixture(scope="session")
def hearing(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A recogniser: Whisper base with its real weights where they are, else a small one that hears nothing true."""
    for package in ("faster_whisper", "torch", "whisper"):
        pytest.importorskip(package, reason=f"{package} is not installed (extra models)")
    try:
        load_voice()
    except ConfigError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("whisper")
    if whisper_base.missing():
        made = tinywhisper.write_folder(folder / "tiny", tinywhisper.random_state())
    else:
        made = whisper_base.ctranslate2_folder(folder)
    return f"faster-whisper:{made},compute_type=int8,beam_size=1"


@pytest.fixture(scope="module")
def job(
    small_coca: str,
    small_vlm: str,
    speech: Any,
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
) -> Job:
    """Films, curated with two captioners and a recogniser, where there is one. It is not to be changed: copy it."""
    home = tmp_path_factory.mktemp("films")
    (home / "footage").mkdir()
    made = {f"film{n}.mp4": film for n, film in enumerate(films(77, FILMS))}
    for n, (name, film) in enumerate(made.items()):
        render(home / "footage" / name, film, speech if n == 0 else np.zeros(16_000))
    words = ["--captioner", f"coca:{small_coca}", "--captioner", f"vlm:{small_vlm},frames={FRAMES}", *SMOOTH]
    with contextlib.suppress(pytest.skip.Exception):
        words += ["--recogniser", request.getfixturevalue("hearing")]
    code, report = corpora.curate(home / "footage", home / "out", *words)
    assert code == 0, report
    return Job(home / "footage", made, home / "out", report, tuple(words))


@pytest.fixture
def copied(job: Job, tmp_path: Path) -> Job:
    """The same with an output of its own."""
    shutil.copytree(job.out, tmp_path / "out")
    return dataclasses.replace(job, out=tmp_path / "out")


def test_real_footage_is_described_and_heard(small_coca: str, hearing: str, media: Path, tmp_path: Path):
    captioner, out = model_of(f"coca:{small_coca}"), tmp_path / "out"
    usual = ("--min-side", "144", "--min-seconds", "2")  # what the command itself keeps
    models = ("--captioner", f"coca:{small_coca}", "--recogniser", hearing)
    code, report = corpora.curate(media / "real", out, *usual, *models)
    assert code == 0, report
    clips = rows(out, "clips", kept=True)
    assert len(clips) >= 20
    told = {row["clip_id"]: row["text"] for row in rows(out, "captions")}
    assert len(rows(out, "captions")) == len(told) == len(clips)
    assert report["balance"]["captions"]["kept"] == len(clips)
    own = _of_own_frames(captioner, out, clips)
    # Other batches may round the least differently.
    assert sum(told[clip_id] == text for clip_id, text in own.items()) >= 0.95 * len(clips)
    assert len(set(told.values())) > 3

    videos = {row["video_id"]: row for row in rows(out, "videos")}
    heard = {row["video_id"]: row for row in rows(out, "transcripts")}
    assert set(heard) == {video_id for video_id, row in videos.items() if row["audio_uri"]}
    assert len(heard) >= 5
    for row in heard.values():
        shares = [row[f"{name}_share"] for name in ("speech", "music", "noise", "silence")]
        assert sum(shares) == pytest.approx(1, abs=1e-3)
    if not whisper_base.missing():  # One film is spoken over; over the music of the others nothing is invented.
        said = rows(out, "utterances")
        assert {Path(row["uri"]).name for row in rows(out, "sources", video_id=said[0]["video_id"])} == {NASA}
        assert {row["video_id"] for row in said} == {said[0]["video_id"]}
        assert "Goddard Space Flight Center" in " ".join(row["text"] for row in said)


def _of_own_frames(captioner: ModelCaptioner, out: Path, clips: Rows) -> dict[str, str]:
    """What a captioner says of each clip, asked by itself about the frames that lie in the store."""
    captioner.load()
    measured = {row["video_id"]: row["measure_uri"] for row in rows(out, "videos")}
    found = {}
    with Pictures(Store(str(out))) as pictures:
        for clip in clips:
            place = measured[clip["video_id"]]
            times = pictures.times(place, clip)
            (planned,) = stretches("short", clip["seconds"], times, captioner.frames, 10.0)
            where = {**dataclasses.asdict(planned), "frames": pictures.frames(place, clip, planned.frames)}
            (answer,) = captioner.answer([Window(clip=clip, **where)])
            assert isinstance(answer, Answer)
            found[clip["clip_id"]] = answer.text
    return found


def test_captions_name_what_their_own_clip_shows(job: Job):
    truth = shown(job)
    coca = rows(job.out, "captions", captioner="coca")
    short, dense = (rows(job.out, "captions", captioner="vlm", kind=kind) for kind in ("short", "dense"))
    assert right(coca, truth, "colour", "shape") >= 0.9
    assert right(short, truth, "colour", "shape", "motion") >= 0.9
    assert right(dense, truth, "colour", "shape", "motion") >= 0.9
    for spec, found in ((job.words[1], coca), (job.words[3], [*short, *dense])):
        captioner = model_of(spec)
        assert captioner.revision
        for row in found:
            kind = row["kind"]
            assert kind in captioner.kinds
            assert (row["model"], row["revision"]) == (captioner.model, captioner.revision)
            assert row["prompt_version"] == captioner.prompt_version(kind)
            assert row["settings"] == describing.caption_settings(captioner, Config())
            assert (row["kept"], row["reasons"], row["language"]) == (True, [], "en")
            assert row["tokens_out"] > 0
    assert len({row["prompt_version"] for row in [*coca, *short, *dense]}) == 3
    assert rows(job.out, "failures") == []
    wanted = 3 * job.clips
    assert job.report["balance"]["captions"] == {
        "in": wanted, "kept": wanted, "dropped": {}, "dropped_total": 0, "failed": {},
    }  # fmt: skip


def test_every_sound_has_a_transcript_and_silence_has_no_words(job: Job, hearing: str):
    recogniser = load_recogniser(hearing)
    transcripts = rows(job.out, "transcripts")
    assert len(transcripts) == FILMS
    assert job.report["balance"]["transcripts"]["kept"] == FILMS
    assert {(row["recogniser"], row["model"], row["revision"]) for row in transcripts} == {
        (recogniser.name, recogniser.model, recogniser.revision)
    }
    (long,) = [row for row in transcripts if row["seconds"] > 5]
    assert long["seconds"] == pytest.approx(11, abs=0.2)
    silent = [row for row in transcripts if row is not long]
    assert {(row["utterances"], row["language"]) for row in silent} == {(0, None)}


@pytest.mark.skipif(bool(whisper_base.missing()), reason=whisper_base.missing())
def test_what_is_said_falls_to_the_clips_in_which_it_is_said(job: Job, hearing: str, media: Path):
    (long,) = [row for row in rows(job.out, "transcripts") if row["utterances"]]
    assert (long["language"], long["words"]) == ("en", len(TOLD.split()))
    clips = sorted(rows(job.out, "clips", video_id=long["video_id"]), key=lambda row: row["start_seconds"])
    spoken = Spoken(rows(job.out, "utterances", video_id=long["video_id"]))
    parts = [spoken.between(clip["start_seconds"], clip["end_seconds"]) for clip in clips]
    assert [bool(part) for part in parts] == [True] * 6 + [False] * 2
    assert _letters(" ".join(parts)) == _letters(TOLD)


def _letters(text: str) -> list[str]:
    return "".join(letter for letter in text.lower() if letter.isalpha() or letter == " ").split()


def test_a_second_run_asks_nothing(copied: Job):
    before, there = corpora.rows(copied.out), stored(copied.out)
    code, report = corpora.curate(copied.footage, copied.out, *copied.words)
    assert (code, report["decoded_frames"]) == (0, 0)
    assert report["reused"]["captions"] == 3 * copied.clips
    assert corpora.rows(copied.out) == before
    assert stored(copied.out) == there


def test_other_weights_and_prompts_make_new_captions_without_the_footage(copied: Job, small_vlm: str, tmp_path: Path):
    model, _, prompt = small_vlm.partition(",prompt=")
    prompts, home = tmp_path / "prompts", tmp_path / "other" / Path(model).name
    shutil.copytree(prompt, prompts)
    for file in prompts.iterdir():
        file.write_text(file.read_text().replace("# version: 1", "# version: 2"))
    shutil.copytree(model, home)
    config = json.loads((home / "config.json").read_text())
    (home / "config.json").write_text(json.dumps({**config, "note": "trained again"}))
    first = rows(copied.out, "captions", captioner="vlm")
    words = [word for word in copied.words if word not in SMOOTH]
    gone = copied.footage.rename(copied.footage.with_name("gone"))
    try:
        there = stored(copied.out)
        code, report = again(copied.out, *words)
        assert (code, report["reused"]["captions"]) == (0, 3 * copied.clips)
        assert stored(copied.out) == there

        code, report = again(copied.out, "--captioner", f"vlm:{model},prompt={prompts},frames={FRAMES}")
        assert (code, report["decoded_frames"], report["read_bytes"]) == (0, 0, 0)
        assert report["balance"]["captions"]["kept"] == 2 * copied.clips
        both = rows(copied.out, "captions", captioner="vlm")
        assert sorted({row["prompt_version"][:-9] for row in both}) == ["dense-1", "dense-2", "short-1", "short-2"]
        assert [row for row in both if "-1-" in row["prompt_version"]] == first
        # The number stands beside the prompt: the model is asked the same.
        assert texts([row for row in both if "-2-" in row["prompt_version"]]) == texts(first)

        code, report = again(copied.out, "--captioner", f"vlm:{home},prompt={prompts},frames={FRAMES}")
        assert (code, report["reused"]["captions"]) == (0, 0)
        assert report["balance"]["captions"]["kept"] == 2 * copied.clips
        other = model_of(f"vlm:{home},prompt={prompts}").revision
        newest = rows(copied.out, "captions", captioner="vlm", revision=other)
        assert other != first[0]["revision"]
        assert texts(newest) == texts(first)
        assert len(rows(copied.out, "captions", captioner="vlm")) == 4 * copied.clips  # In the second ones' place.
    finally:
        gone.rename(copied.footage)


def asking(served: Served) -> tuple[str, ...]:
    """The small VLM through its server, as `vlm` asks it. With a revision set nothing but captions is asked for."""
    settings = f"url={served.url},prompt={served.prompt},frames={FRAMES},times=false,max_tokens=60,seed=none"
    return ("--captioner", f"openai:{served.model},{settings},revision=r1,concurrency=4,attempts=2", *SMOOTH)


def test_a_real_server_gives_the_same_captions_and_is_not_needed_for_what_it_said(served: Served, copied: Job):
    served.start()
    words = asking(served)
    code, report = corpora.curate(copied.footage, copied.out, *words)
    assert (code, report["decoded_frames"]) == (0, 0)
    assert report["balance"]["captions"]["kept"] == 2 * copied.clips
    truth, told = shown(copied), rows(copied.out, "captions", captioner="openai")
    for kind in ("short", "dense"):
        assert right([row for row in told if row["kind"] == kind], truth, "colour", "shape", "motion") >= 0.9
    here = texts(rows(copied.out, "captions", captioner="vlm"))
    # Two implementations may round the least differently.
    assert sum(here[place] == text for place, text in texts(told).items()) >= 0.95 * len(here)
    for row in told:
        assert (row["model"], row["revision"]) == (served.model, "r1")
        assert row["tokens_in"] > 10 * FRAMES
        assert row["tokens_out"] >= 10

    served.stop()
    before, there = corpora.rows(copied.out), stored(copied.out)
    code, report = corpora.curate(copied.footage, copied.out, *words)
    assert (code, report["reused"]["captions"]) == (0, 2 * copied.clips)
    assert corpora.rows(copied.out) == before
    assert stored(copied.out) == there


def test_what_a_server_that_is_gone_owes_is_asked_when_it_is_back(served: Served, job: Job, tmp_path: Path):
    (film,) = films(78, 1)
    footage, out = tmp_path / "footage", tmp_path / "out"
    footage.mkdir()
    render(footage / "new.mp4", film, np.zeros(16_000))
    one = dataclasses.replace(job, footage=footage, out=out, films={"new.mp4": film})
    words = (*job.words[2:4], *asking(served))
    served.stop()
    code, report = corpora.curate(footage, out, *words)
    assert code == 3
    assert report["balance"]["captions"]["kept"] == 2 * EACH  # What the other captioner said.
    assert report["balance"]["captions"]["failed"] == {"unreachable": 2 * EACH}
    failures = rows(out, "failures")
    assert len(failures) == 2 * EACH
    assert {row["subject"].split()[0] for row in failures} == set(shown(one))
    assert {(row["step"], row["error_class"], row["attempts"]) for row in failures} == {("caption", "unreachable", 2)}

    served.start()
    code, report = corpora.curate(footage, out, *words)
    assert (code, report["decoded_frames"], report["reused"]["captions"]) == (0, 0, 2 * EACH)
    truth, told = shown(one), rows(out, "captions", captioner="openai")
    for kind in ("short", "dense"):
        assert right([row for row in told if row["kind"] == kind], truth, "colour", "shape", "motion") >= 0.9
