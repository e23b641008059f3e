"""Speech recognition on real recordings: words, languages, inventions, shares of sound, and what our own code costs.

    python -m benchmarks.speech [--media FOLDER] [--weights FOLDER] [--recogniser SPEC]...

Without `--recogniser`, Whisper base's real weights (see `benchmarks.whisper_base`) are put into the folder of weights
and heard through `faster-whisper` and `whisper`. For each recogniser and recording it prints the language, the word
error rate and the processor time: of everything from the bytes of the stored sound to the transcript, and of the bare
model asked about the same samples with the same options. Processor time, because it does not depend on who else uses
the machine; set OMP_NUM_THREADS=1, or waiting threads count as work.

Claims: a word error rate of at most 12 % over all recordings with a known text, the second recogniser within 2 points
of the first; every language right; nothing said in noise and in an empty file; our own code (reading, voice activity,
shares, windows, guards) at most 10 % on top of the model.

One text stands in `transcripts/*.csv` beside the recordings; the others are well known and were written down for this:
sentences of an inaugural address, of the Warren Commission's report and of the Harvard list, the MIT licence, and what
the test suites that the recordings come from expect. Words are compared without case and marks, numbers up to twelve as
words; Chinese by the letter.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from benchmarks import whisper_base
from captioning.recogniser import Recogniser, Samples, Shares, Transcript, load_recogniser, read_sound, word_columns
from captioning.speech.endpoint import flac_of
from captioning.speech.sound import SoundSettings, shares_of
from captioning.speech.voice import VoiceSettings, load_voice, spans_of
from transforms.audio import SAMPLE_RATE
from transforms.spoken import Spoken

MOST_WRONG, MOST_APART, MOST_OWN = 0.12, 0.02, 0.10

_COUNTRY: Final = (
    "And so, my fellow Americans, ask not what your country can do for you, ask what you can do for your country."
)
_LICENCE: Final = (
    "Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated "
    "documentation files, to deal in the Software without restriction, including without limitation the rights to "
    "use, copy, modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit "
    "persons to whom the Software is furnished to do so, subject to the following conditions: The above copyright "
    "notice and this permission notice shall be included in all copies or substantial portions of the Software."
)


class Recording(NamedTuple):
    """A recording and what is said in it.

    Attributes:
        path: Below the folder of media.
        languages: In order; empty where nobody speaks.
        text: Where it is known.
        until: Seconds up to which the text goes.
    """

    path: str
    languages: tuple[str, ...]
    text: str | None = None
    until: float = float("inf")


RECORDINGS: Final = (
    Recording("speech/whisper_jfk.flac", ("en",), _COUNTRY),
    Recording("speech/whisper.cpp_jfk.mp3", ("en",), _COUNTRY),
    Recording(
        "speech/speechbrain_LJ050-0131.wav",
        ("en",),
        "unless a system is established for the frequent formal review of activities thereunder. In this regard",
    ),
    Recording("speech/speechbrain_spk1_snt1.wav", ("en",), "the child almost hurt the small dog"),
    Recording("speech/speechbrain_spk2_snt1.wav", ("en",), "we are sure that one war is enough"),
    Recording("speech/sr_english.wav", ("en",), "one two three"),
    Recording("speech/sr_french.aiff", ("fr",), "et c'est la dictée numéro 1"),
    Recording("speech/sr_chinese.flac", ("zh",), "砸自己的脚"),
    Recording("speech/faster-whisper_multilingual.mp3", ("en", "de"), _LICENCE, until=30.0),
    Recording("speech/faster-whisper_stereo_diarization.wav", ("en",)),
    Recording("speech/pyannote-audio_sample.wav", ("en",)),
    Recording("speech/speechbrain_noise1.wav", ()),
    Recording("speech/pyannote-audio_empty.wav", ()),
)

SOUNDS: Final = {
    "speech/speechbrain_noise1.wav": "noise",
    "speech/pyannote-audio_empty.wav": "noise",
    "real/mdn_rabbit320.mp4": "noise",
    "speech/copies_iscc_audio/iscc_demo.mp3": "music",
    "real/moviepy_chaplin.mp4": "music",
    "real/moviepy_big_buck_bunny_0_30.webm": "music",
    "real/exoplayer_video_big_buck_bunny.mp4": "music",
    "speech/whisper_jfk.flac": "speech",
    "speech/speechbrain_LJ050-0131.wav": "speech",
    "speech/pyannote-audio_sample.wav": "speech",
    "real/torchcodec_nasa_13013.mp4": "speech",
}
"""What most of a recording is, by ear."""

_NUMBERS: Final = "zero one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905


def words_of(text: str, language: str) -> list[str]:
    """The words of a text as they are compared; of Chinese its letters."""
    plain = unicodedata.normalize("NFKC", text).casefold().replace("’", "'")
    words = re.findall(r"\w" if language == "zh" else r"[\w']+", plain)
    if language == "en":
        words = [_NUMBERS[int(word)] if word.isdecimal() and int(word) < len(_NUMBERS) else word for word in words]
    return words


def errors_between(wanted: Sequence[str], heard: Sequence[str]) -> int:
    """Words to put in, take out or exchange to get from one to the other."""
    row = list(range(len(heard) + 1))
    for n, one in enumerate(wanted, 1):
        before, row[0] = row[0], n
        for m, other in enumerate(heard, 1):
            before, row[m] = row[m], min(row[m] + 1, row[m - 1] + 1, before + (one != other))
    return row[-1]


class Errors(NamedTuple):
    """Wrong words, and words that were said."""

    wrong: int
    words: int

    @property
    def rate(self) -> float:
        return self.wrong / self.words if self.words else 0.0


def errors_of(recording: Recording, transcript: Transcript) -> Errors | None:
    """How wrong a transcript is; None where nobody knows what is said."""
    if recording.text is None:
        return None
    wanted = words_of(recording.text, recording.languages[0])
    spoken = Spoken({**word_columns(one.words), "flags": one.flags} for one in transcript.utterances)
    heard = words_of(spoken.between(0.0, recording.until), recording.languages[0])
    return Errors(errors_between(wanted, heard), len(wanted))


def languages_of(transcript: Transcript) -> tuple[str | None, ...]:
    """The languages of a transcript in their order."""
    return tuple(dict.fromkeys(one.language for one in transcript.utterances))


def _bare(recogniser: Any, samples: Samples) -> Callable[[], object]:
    """The model alone on a sound, with the same options and nothing of ours."""
    settings, model = recogniser.settings, recogniser._loaded
    options = {"beam_size": settings.beam_size, "condition_on_previous_text": False, "word_timestamps": True}
    if recogniser.name == "faster-whisper":
        return lambda: list(model.transcribe(samples, multilingual=True, **options)[0])
    return lambda: model.transcribe(samples, fp16=model.device.type == "cuda", **options)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.process_time()
    return work(), time.process_time() - begun


def _heard(recogniser: Recogniser, media: Path, bare: bool) -> tuple[Errors, list[str], float | None]:
    """Print what one recogniser makes of every recording: its errors, what does not hold, our own share of the time."""
    print(f"\n{recogniser.name} {recogniser.model} {recogniser.revision}")
    print(f"{'recording':44} {'s':>5} {'heard':>8} {'p':>5} {'wrong':>9} {'ours s':>7} {'bare s':>7}")
    wrong = words = 0
    faults: list[str] = []
    seconds = ours = alone = 0.0
    for recording in RECORDINGS:
        data = flac_of(read_sound((media / recording.path).read_bytes()))
        transcript, own = _timed(lambda data=data: recogniser.transcribe(read_sound(data)))  # type: ignore[misc]
        samples = read_sound(data)
        model = _timed(_bare(recogniser, samples))[1] if bare and recording.languages else 0.0
        found, errors = languages_of(transcript), errors_of(recording, transcript)
        if found != recording.languages:
            faults.append(f"{recording.path}: heard {found or 'nothing'}")
        if errors:
            wrong, words = wrong + errors.wrong, words + errors.words
        if recording.languages:
            seconds, ours, alone = seconds + len(samples) / SAMPLE_RATE, ours + own, alone + model
        flags = sorted({flag for one in transcript.utterances for flag in one.flags})
        print(
            f"{recording.path:44} {len(samples) / SAMPLE_RATE:5.1f} {' '.join(str(one) for one in found) or '-':>8} "
            f"{transcript.language_probability or 0:5.2f} "
            f"{f'{errors.wrong} of {errors.words}' if errors else '':>9} {own:7.2f} {model:7.2f} {' '.join(flags)}"
        )
    print(f"{seconds / ours:.1f} seconds of sound a second of processor time, bare {seconds / (alone or ours):.1f}")
    return Errors(wrong, words), faults, ours / alone - 1 if alone else None


def _own_share(recogniser: Any, media: Path) -> float:
    """What our code costs on top of the time inside the model, on the longest recording: reading to guards."""
    data = flac_of(read_sound((media / "speech/faster-whisper_multilingual.mp3").read_bytes()))
    inside = 0.0
    ask = recogniser._ask

    def timed(*given: Any) -> Any:
        nonlocal inside
        made, spent = _timed(lambda: ask(*given))
        inside += spent
        return made

    recogniser._ask = timed
    _, whole = _timed(lambda: recogniser.transcribe(read_sound(data)))
    recogniser._ask = ask
    return (whole - inside) / inside


def _sounds(media: Path) -> int:
    """Print the shares of every sound whose kind is known; how many are right."""
    print(f"\n{'sound':44} {'is':>7} {'speech':>7} {'music':>7} {'noise':>7} {'silence':>7}")
    right = 0
    for path, kind in SOUNDS.items():
        samples = read_sound((media / path).read_bytes())
        voice = spans_of(load_voice()(samples), len(samples) / SAMPLE_RATE, VoiceSettings())
        shares = shares_of(samples, voice, SoundSettings())
        most = max(Shares._fields, key=lambda name: float(getattr(shares, name)))
        right += most == kind
        print(f"{path:44} {kind:>7} " + " ".join(f"{share:7.2f}" for share in shares))
    print(f"{right} of {len(SOUNDS)} right")
    return right


def _claim(text: str, holds: bool) -> bool:
    print(f"{text}: {'holds' if holds else 'does not hold'}")
    return holds


def main() -> int:
    """Hear all recordings, print what came of it and which claims hold; 1 if one does not."""
    parser = argparse.ArgumentParser(description="Speech recognition on real recordings.")
    parser.add_argument("--media", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "media")
    parser.add_argument("--weights", type=Path, help="where real weights are put, and found again")
    parser.add_argument("--recogniser", action="append", default=[], help="as rushes takes it; may be repeated")
    parser.add_argument("--no-bare", action="store_true", help="do not run the model alone as well")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        specs = given.recogniser or _defaults(given.weights or Path(folder))
        holds, first = True, None
        for spec in specs:
            recogniser = load_recogniser(spec)
            recogniser.check()
            recogniser.load()
            load_voice()
            recogniser.transcribe(read_sound((given.media / RECORDINGS[3].path).read_bytes()))
            errors, faults, more = _heard(recogniser, given.media, not given.no_bare and recogniser.name != "openai")
            rate = f"{errors.wrong} of {errors.words} words wrong, {errors.rate:.1%}"
            if first is None:
                first = errors.rate
                holds &= _claim(f"{rate} (at most {MOST_WRONG:.0%})", errors.rate <= MOST_WRONG)
            else:
                holds &= _claim(f"{rate} (within {MOST_APART:.0%} of the first)", errors.rate <= first + MOST_APART)
            holds &= _claim(f"languages right, nothing invented {'; '.join(faults)}", not faults)
            if more is not None:
                print(f"against the bare model asked about the whole sound: {more:+.1%} of processor time")
            own = _own_share(recogniser, given.media)
            holds &= _claim(f"our own code {own:+.1%} on top of the model (at most {MOST_OWN:.0%})", own <= MOST_OWN)
    right = _sounds(given.media)
    holds &= _claim("what most of a sound is", right == len(SOUNDS))
    return 0 if holds else 1


def _defaults(weights: Path) -> list[str]:
    weights.mkdir(parents=True, exist_ok=True)
    return [
        f"faster-whisper:{whisper_base.ctranslate2_folder(weights)},threads=1",
        f"whisper:{whisper_base.whisper_checkpoint(weights)}",
    ]


if __name__ == "__main__":
    raise SystemExit(main())
