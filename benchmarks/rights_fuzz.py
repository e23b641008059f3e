"""Every parser of machine-readable signals against mutated inputs: no crash, no hang, and no yes out of nothing.

Each input begins as a golden one of the tests and is changed one to eight times: bits flipped, bytes cut, repeated,
moved, replaced by pieces of other inputs and of the protocols' own words. A yes is legitimate only where a well-formed
one can stand in the text: golden inputs that hold none of a protocol's words for yes, and did not get one by the
mutation, must never be allowed. Robots rules, X-Robots-Tag and refusing C2PA manifests can never say yes at all.

    python -m benchmarks.rights_fuzz [--inputs 100000] [--seed 0] [--only NAME] [--longest 2.0]

Prints a line a parser and exits with 1 when the claim does not hold; a parser that hangs is ended (a minute and
20 ms an input), with its traceback.
"""

from __future__ import annotations

import argparse
import faulthandler
import io
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from filters.rights.signals import credentials
from filters.rights.signals.signal import Says, Spot
from tests.filters.rights.signals import golden, signing

LONGEST_SEED: Final = 64 * 1024
"""Golden inputs longer than this, in bytes, are tested as they are and not mutated."""

_EDGES: Final = (
    *(bytes([n]) for n in b'\0\xff\x80\r\n,;:=*$#"<>%&{[]'), b"\xef\xbb\xbf", b"\xe2\x80\xa8", b"\xff\xff\xff\xff",
    b"\0\0\0\0", b"\0\0\0\x01", b"1" * 40, b"User-agent: *\n", b"Disallow: /\n", b"<!--", b"-->", b"]]>", b"<!DOCTYPE",
    b"&#0;",
)  # fmt: skip


@dataclass
class Result:
    """What became of the inputs of one parser.

    Attributes:
        name: The parser.
        inputs: How many.
        seconds: Processor seconds.
        slowest: Processor seconds of the slowest input: other work on the machine slows no parser down.
        answers: How often an input's strictest answer was which; `(may)` marks a yes that may have been written.
        faults: Crashes and yeses out of nothing, with the input, at most ten.
    """

    name: str
    inputs: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)


def mutated(seed: bytes, others: Sequence[bytes], chance: random.Random) -> bytes:
    """A changed input."""
    data = bytearray(seed)
    for _ in range(chance.choice((1, 1, 1, 1, 2, 4, 8))):
        size = len(data)
        at = chance.randrange(size + 1)
        end = min(size, at + chance.choice((1, 1, 2, 4, 8, 32, 256)))
        kind = chance.choice((0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 6, 7, 8))
        if kind == 0 and size:
            data[at % size] ^= 1 << chance.randrange(8)
        elif kind == 1 and size:
            data[at % size] = chance.randrange(256)
        elif kind == 2:
            del data[at:end]
        elif kind == 3:
            data[at:at] = data[at:end] * chance.choice((1, 2, 50))
        elif kind == 4:
            data[at:at] = chance.choice(_EDGES)
        elif kind == 5:
            data[at:end] = chance.choice(_EDGES)
        elif kind == 6:
            other = chance.choice(others)
            start = chance.randrange(len(other) + 1)
            data[at:at] = other[start : start + chance.choice((4, 16, 64, 1024))]
        elif kind == 7:
            data[at:end] = bytes(data[at:end]).swapcase()
        else:
            del data[at:]
    return bytes(data[: 2 * LONGEST_SEED])


def fuzz(parser: golden.Parser, inputs: int, seed: int = 0) -> Result:
    """Run mutated inputs through one parser."""
    chance, result = random.Random(f"{parser.name} {seed}"), Result(parser.name)
    seeds = [case.said for case in parser.cases if len(case.said) <= LONGEST_SEED]
    says = {said: parser.read(said) for said in seeds}
    plain = [said for said in seeds if not _may_allow(said, parser.yes)]
    start = time.process_time()
    for _ in range(inputs):
        said = chance.choice(seeds)
        data = mutated(said, plain if chance.random() < 0.9 else seeds, chance)
        began = time.process_time()
        try:
            answer = parser.read(data)
        except Exception as error:
            result.faults.append(f"{type(error).__name__}: {error} from {data[:300]!r}")
            continue
        finally:
            result.slowest = max(result.slowest, time.process_time() - began)
            result.inputs += 1
        result.answers[_short(answer)] += 1
        if any(new == "allow" and old != "allow" for new, old in zip(answer, says[said], strict=True)):
            if _may_allow(data, parser.yes):
                result.answers["allow (may)"] += 1
            else:
                result.faults.append(f"allowed {answer} from {data[:300]!r}")
    result.seconds = time.process_time() - start
    del result.faults[10:]
    return result


def _may_allow(data: bytes, yes: Sequence[bytes]) -> bool:
    text = data.replace(b"\0", b"").lower()  # UTF-16 is text too.
    return any(word in b"".join(text.split()) for word in yes)


def _short(answer: Says) -> str:
    return next(one for one in ("deny", "unknown", "allow", "unset") if one in answer)


def manifests(folder: Path) -> golden.Parser | None:
    """The parser of refusing C2PA manifests, read with their signer trusted; None where the library is missing."""
    try:
        import c2pa  # noqa: F401
    except ImportError:
        return None
    anchors, cases = signing.trusted(folder), []
    for mime, media in (("video/mp4", signing.film()), ("image/jpeg", signing.picture())):
        for label in ("c2pa.training-mining", "cawg.training-mining"):
            said = signing.training(label, ai_generative_training="notAllowed", ai_inference="allowed")
            source = signing.GENERATED if label.startswith("cawg") else signing.SOURCE
            made = signing.signed(media, mime, said, source=source)
            cases.append(golden.Case(f"{label} in {mime}", made, "deny train"))

    def read(said: bytes) -> Says:
        spot = Spot(credentials.NAME, "file", "", "", golden.NOW)
        return credentials.told(spot, io.BytesIO(said), anchors).says

    return golden.Parser("C2PA", read, cases, ())


def pictures() -> golden.Parser:
    """The parser of XMP in pictures, which Pillow opens."""
    from PIL import Image

    no, cases = golden.XMP[0].said, []
    for kind in ("JPEG", "WEBP", "TIFF"):
        held = io.BytesIO()
        options = {"tiffinfo": {700: no}} if kind == "TIFF" else {"xmp": no}
        Image.new("RGB", (16, 16)).save(held, kind, **options)
        cases.append(golden.Case(kind, held.getvalue(), golden.MINING_NO))
    read: Callable[[bytes], Says] = next(p.read for p in golden.PARSERS if p.name == "boxes")
    return golden.Parser("pictures", read, cases, (b"allowed",))


def every(folder: Path) -> list[golden.Parser]:
    """Every parser, those of files included."""
    found = manifests(folder)
    return [*golden.PARSERS, pictures(), *([found] if found else [])]


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    options.add_argument("--inputs", type=int, default=100_000, help="inputs a parser (default: %(default)s)")
    options.add_argument("--seed", type=int, default=0, help="another one gives other mutations")
    options.add_argument("--only", help="one parser, by its name")
    options.add_argument("--longest", type=float, default=2.0, help="processor seconds that one input may take")
    given = options.parse_args(arguments)
    bad = 0
    print(f"{'parser':30}{'inputs':>9}{'CPU s':>9}{'a second':>10}{'slowest ms':>12}  answers")
    with tempfile.TemporaryDirectory() as folder:
        for parser in every(Path(folder)):
            if given.only not in (None, parser.name):
                continue
            faulthandler.dump_traceback_later(60 + given.inputs / 50, exit=True)
            result = fuzz(parser, given.inputs, given.seed)
            faulthandler.cancel_dump_traceback_later()
            told = ", ".join(f"{name} {count}" for name, count in sorted(result.answers.items()))
            rate = result.inputs / max(result.seconds, 1e-9)
            numbers = f"{result.inputs:>9}{result.seconds:>9.1f}{rate:>10.0f}{result.slowest * 1000:>12.1f}"
            print(f"{result.name:30}{numbers}  {told}", flush=True)
            for fault in result.faults:
                print(f"    {fault}", flush=True)
            bad += len(result.faults) + (result.slowest > given.longest)
    print("holds" if not bad else "DOES NOT HOLD")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
