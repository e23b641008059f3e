"""Names: when two spellings are the same name, and where in a text a name may begin and end.

Text and names are folded alike: compatibility forms (full-width letters, ligatures, Roman numerals), case, digits of
any script, and diacritics that people leave off (of Latin, Greek and Cyrillic letters; Arabic and Hebrew points). Vowel
signs of Indic and South-East Asian scripts are no diacritics and stay, and so does `й`. Soft hyphens, zero-width
characters and other invisible ones vanish; punctuation and white space, however much of it, is one space. An apostrophe
or hyphen inside a word is read both as a space and as nothing (`joined`).

A name begins and ends where a word does, in scripts that put spaces between words. Chinese, Japanese, Thai, Lao, Khmer,
Burmese and the like do not: there a name may stand anywhere between two characters, and white space and middle dots
between two such characters mean nothing. A Korean name may be followed by a particle. What is written together with the
name otherwise (Arabic and Hebrew prefixes, case endings), traditional against simplified characters, `&` against `and`,
`ae` against `ä`: those are other spellings, and belong among the aliases.

Whole batches are folded at once with NumPy, and units of text (words; single characters where words are not
separated) are hashed, so that most places of a text can be told to begin no name without a look-up for each.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.uint32]
Hashes = npt.NDArray[np.uint64]
Places = npt.NDArray[np.int64]

SPACE: Final = 1
"""White space and signs that join the parts of a name: nothing, between characters of scripts without spaces."""
STOP: Final = 2
"""Any other sign: a space everywhere."""
END: Final = 3
"""End of one of the texts."""
WORD: Final = 4
"""A letter or digit of a script with spaces between words."""
UNSPACED: Final = 5
"""A character of a script without."""
MARK: Final = 6
"""What belongs to the character before it."""
HANGUL: Final = 7
"""First letter of a Korean syllable; its other letters are `JAMO`."""
JAMO: Final = 8

UNITS: Final = 3
"""Of how many units of a name its hash is made at most."""

_UNKNOWN: Final = 0xFFFFFFFF
_DROPPED: Final = 0
_END_CODE: Final = END << 24 | ord("\n")

_HIDDEN: Final = (  # Default_Ignorable_Code_Point of Unicode, and everything else of category Cf.
    (0x00AD, 0x00AD), (0x034F, 0x034F), (0x0600, 0x0605), (0x061C, 0x061C), (0x06DD, 0x06DD), (0x070F, 0x070F),
    (0x0890, 0x0891), (0x08E2, 0x08E2), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F), (0x200B, 0x200F),
    (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFFB), (0x110BD, 0x110BD), (0x110CD, 0x110CD), (0x13430, 0x1343F), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
_APOSTROPHES: Final = "'`´‘’‛′ʹʻʼʽʾʿ＇"
_JOINER: Final = re.compile(rf"[{_APOSTROPHES}\-‐‑−－](?<=\w.)[{_APOSTROPHES}\-‐‑−－]*(?=\w)")
_SPACE_LIKE: Final = frozenset("·・‧•=゠-‐\u2011")
_ALIKE: Final = {
    **dict(zip("ıøđħłŧð", "iodhltd", strict=True)),
    # Letters that Arabic and Persian keyboards have in each other's place, and those commonly left undotted.
    **dict(zip("ىیکةٱہھ", "ييكهاهه", strict=True)),
}
_POINTS: Final = (
    (0x0300, 0x036F), (0x1AB0, 0x1AFF), (0x1DC0, 0x1DFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F),
    (0x0640, 0x0640), (0x064B, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06ED), (0x0591, 0x05C7), (0x093C, 0x093C),
)  # fmt: skip
_WITHOUT_SPACES: Final = (
    (0x0E00, 0x0EFF), (0x1000, 0x109F), (0x1780, 0x17FF), (0x1950, 0x1AAF), (0x1B00, 0x1B7F), (0x2E80, 0x2FDF),
    (0x3005, 0x3007), (0x3021, 0x302F), (0x3031, 0x3035), (0x3038, 0x303C), (0x3041, 0x30FF), (0x3105, 0x312F),
    (0x31A0, 0x31BF), (0x31F0, 0x31FF), (0x3400, 0x4DBF), (0x4E00, 0xA4CF), (0xA980, 0xA9FF), (0xAA60, 0xAADF),
    (0xF900, 0xFAFF), (0x16FE0, 0x18DFF), (0x1AFF0, 0x1B2FF), (0x20000, 0x3FFFF),
)  # fmt: skip

_PARTICLES: Final = frozenset(
    unicodedata.normalize("NFKD", word)
    for word in re.split(
        r"\W+",
        "은,는,이,가,을,를,의,에,에서,에게,께,께서,와,과,도,로,으로,만,까지,부터,처럼,보다,라고,이라고,라는,이라는,란,이란,나,이나,"
        "랑,이랑,하고,에서는,에는,에도,와의,과의,로서,으로서,로써,으로써,마저,조차,밖에,이다,입니다,이며,며,인,들,들이,들은,들의,들을",
    )
)

_FACTOR: Final = 0x9E3779B97F4A7C15  # odd, so that it has an inverse modulo 2^64
_table = np.full(0x110000, _UNKNOWN, np.uint32)
_counts = np.full(0x110000, -1, np.int8)
_invisible = np.zeros(0x110000, bool)
for _first, _last in _HIDDEN:
    _invisible[_first : _last + 1] = True
_powers: list[Hashes] = [np.ones(1, np.uint64), np.ones(1, np.uint64)]


class Folded(NamedTuple):
    """Texts as they are compared.

    Attributes:
        text: All of them, each ended by a line feed, with one space where anything separated two words.
        kinds: Kind of each of its characters, `WORD` and so on, a byte each.
        ends: Where each text ends in it.
        units: Where each unit begins in it: a word, or a character of a script without spaces.
        stops: Where each unit ends.
    """

    text: str
    kinds: bytes
    ends: Places
    units: Places
    stops: Places


def fold(text: str) -> str:
    """A text as it is compared."""
    return fold_all([text]).text[:-1].strip(" ")


def joined(text: str) -> str:
    """A text without the apostrophes and hyphens inside its words; the text itself where there are none."""
    if text.isascii() and "-" not in text and "'" not in text and "`" not in text:
        return text
    return _JOINER.sub("", text)


def fold_all(texts: Sequence[str]) -> Folded:
    """Fold many texts at once; some 10 million characters of ASCII a second, a quarter of that otherwise.

    Memory: about 60 bytes a character of all texts together.
    """
    whole = "\0".join(texts) + "\0"
    if whole.count("\0") != len(texts):
        whole = "\0".join(text.replace("\0", " ") for text in texts) + "\0"
    packed = _packed(whole)
    packed = packed[packed != _DROPPED]
    kinds = (packed >> 24).astype(np.uint8)
    keep, dots = _kept(kinds)
    packed &= 0xFFFFFF
    packed[dots] = ord(".")
    packed, kinds = packed[keep], kinds[keep]
    goes_on = (kinds == MARK) | (kinds == JAMO)
    word = kinds == WORD
    goes_on[1:] |= word[1:] & word[:-1]
    heads = np.flatnonzero(~goes_on)
    stops = np.append(heads[1:], len(kinds))
    whole_unit = np.isin(kinds[heads], (WORD, UNSPACED, HANGUL))
    text = packed.astype("<u4").tobytes().decode("utf-32-le")
    return Folded(text, kinds.tobytes(), np.flatnonzero(kinds == END), heads[whole_unit], stops[whole_unit])


def hashes(folded: Folded) -> list[Hashes]:
    """Of every unit, hashes of itself, of itself with the next one, and with the next two (as far as there are any).

    A hash depends on the characters alone, so that of a name's first units finds every place where it may begin.
    """
    count = len(folded.kinds)
    powers, inverses = _powers_to(count)
    letters = np.frombuffer(folded.text.encode("utf-32-le"), "<u4").astype(np.uint64)
    sums = np.zeros(count + 1, np.uint64)
    np.cumsum(letters * powers[:count], out=sums[1:])
    # Once more by the factor: else the first letter would change the lowest bits alone.
    before, scale, upto = sums[folded.units], inverses[folded.units] * np.uint64(_FACTOR), sums[folded.stops]
    found = [(upto - before) * scale]
    while len(found) < UNITS:
        upto = np.append(upto[1:], upto[-1:])
        found.append((upto - before) * scale)
    return found


def may_begin(folded: Folded) -> npt.NDArray[np.bool_]:
    """Of every unit, whether a name may begin with it: everywhere but inside a Korean word."""
    every = np.frombuffer(folded.kinds, np.uint8)
    kinds = every[folded.units]
    before = every[folded.units - 1]  # The last character of all, an END, is before the first.
    found: npt.NDArray[np.bool_] = (kinds != HANGUL) | ((before != HANGUL) & (before != JAMO))
    return found


def may_end(folded: Folded, at: int) -> bool:
    """Whether a name may end before a character."""
    kind, last = folded.kinds[at], folded.kinds[at - 1]
    if kind in (MARK, JAMO) or (kind == WORD and last == WORD):
        return False
    if kind == HANGUL and last in (HANGUL, JAMO):
        stop = at
        while folded.kinds[stop] in (HANGUL, JAMO):
            stop += 1
            if stop - at > 12:  # Longer than any particle.
                return False
        return folded.text[at:stop] in _PARTICLES
    return True


def found_in(folded: Folded, name: str, start: int, stop: int) -> bool:
    """Whether a folded name stands in a stretch of folded text as words of their own."""
    at = folded.text.find(name, start, stop)
    while at >= 0:
        inside_word = folded.kinds[at] == WORD and folded.kinds[at - 1] == WORD
        if not inside_word and may_end(folded, at + len(name)):
            return True
        at = folded.text.find(name, at + 1, stop)
    return False


def spans(texts: Sequence[str], parts: Sequence[tuple[int, int, int]]) -> list[tuple[int, int]]:
    """Where parts of folded texts stand in the texts themselves.

    Args:
        texts: The texts, not folded.
        parts: Which text, and which letters of the folded text, with or without `joined`, counted without spaces: the
            first, and one after the last.

    Returns:
        Start and stop in its text of each.
    """
    ends = np.cumsum([len(text) for text in texts])
    upto = np.cumsum(_letter_counts("".join(texts)))
    text, first, after = np.array(parts, np.int64).T
    begins = ends[text] - [len(texts[place]) for place, _, _ in parts]
    before = np.append(0, upto)[begins]
    starts = np.minimum(upto.searchsorted(before + first, "right"), ends[text]) - begins
    stops = np.minimum(upto.searchsorted(before + after) + 1, ends[text]) - begins
    found = []
    for place, start, stop in zip(text.tolist(), starts.tolist(), stops.tolist(), strict=True):
        whole = texts[place]
        while stop < len(whole) and unicodedata.combining(whole[stop]):
            stop += 1
        found.append((start, stop))
    return found


def _letter_counts(text: str) -> npt.NDArray[np.int8]:
    """How many letters of the folded text each character becomes, wherever it stands."""
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), "<u4")
    found = _counts.take(codes)
    if (found < 0).any():
        for code in np.unique(codes[found < 0]).tolist():
            _counts[code] = np.count_nonzero(_packed(chr(code)) >> 24 > END)
        found = _counts.take(codes)
    return found


def _packed(whole: str) -> Codes:
    """Kind and folded character of every character, `kind << 24 | character`; 0 of those that vanish."""
    if whole.isascii():
        return _looked_up(np.frombuffer(whole.encode(), np.uint8))
    codes = np.frombuffer(whole.encode("utf-32-le", "surrogatepass"), "<u4")
    if (hidden := _invisible.take(codes)).any():  # Before normalising: what they kept apart may compose.
        whole = codes[~hidden].tobytes().decode("utf-32-le", "surrogatepass")
    whole = whole.replace("™", " ").replace("℠", " ")  # Else letters of the word before them.
    whole = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", whole).casefold())
    whole = whole.replace("и\u0306", "й").replace("æ", "ae").replace("œ", "oe")
    return _looked_up(np.frombuffer(whole.encode("utf-32-le", "surrogatepass"), "<u4"))


def _looked_up(codes: npt.NDArray[Any]) -> Codes:
    found = _table.take(codes)
    missing = found == _UNKNOWN
    if missing.any():
        for code in np.unique(codes[missing]).tolist():
            _table[code] = _entry(code)
        found = _table.take(codes)
    return found


def _entry(code: int) -> int:
    letter = chr(code)
    category = unicodedata.category(letter)
    if letter == "\0":
        return _END_CODE
    if category == "Cf" or _invisible[code] or (_within(code, _POINTS) and category in ("Mn", "Me", "Lm")):
        return _DROPPED
    if category == "Nd":
        return WORD << 24 | ord(str(unicodedata.digit(letter)))
    if letter.isspace() or letter in _SPACE_LIKE:
        return SPACE << 24 | ord(" ")
    if category[0] not in "LMN" or letter in _APOSTROPHES:
        return STOP << 24 | ord(" ")
    if 0x1100 <= code <= 0x11FF or 0xA960 <= code <= 0xA97F or 0xD7B0 <= code <= 0xD7FF:
        return (HANGUL if code <= 0x115F or 0xA960 <= code <= 0xA97F else JAMO) << 24 | code
    if _within(code, _WITHOUT_SPACES):
        return (MARK if category[0] == "M" else UNSPACED) << 24 | code
    letter = _ALIKE.get(letter, letter.casefold() if len(letter.casefold()) == 1 else letter)
    return WORD << 24 | ord(letter)


def _within(code: int, ranges: Sequence[tuple[int, int]]) -> bool:
    return any(first <= code <= last for first, last in ranges)


def _kept(kinds: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.bool_], Places]:
    """What stays of runs of spaces and stops, and which of it becomes a full stop.

    The first of a run stays. Between two characters of scripts without spaces it goes, or is a full stop where the run
    holds a stop, so that folding again finds it.
    """
    gap = kinds <= STOP
    keep = ~gap
    opens = gap.copy()
    opens[1:] &= keep[:-1]
    keep |= opens
    starts = np.flatnonzero(opens)
    if not len(starts) or not (kinds == UNSPACED).any():
        return keep, starts[:0]
    closes = gap.copy()
    closes[:-1] &= ~gap[1:]
    after = kinds[np.flatnonzero(closes) + 1]  # There is one: an END is last.
    before = kinds[starts - 1]
    stopped = np.add.reduceat(kinds == STOP, starts, dtype=np.int64) > 0
    between = (after == UNSPACED) & ((before == UNSPACED) | (before == MARK))
    keep[starts[between & ~stopped]] = False
    return keep, starts[between & stopped]


def _powers_to(count: int) -> tuple[Hashes, Hashes]:
    if len(_powers[0]) < count:
        size = max(2 * len(_powers[0]), count)
        for place, factor in enumerate((_FACTOR, pow(_FACTOR, -1, 2**64))):
            factors = np.full(size, factor, np.uint64)
            factors[0] = 1
            _powers[place] = np.cumprod(factors)
    return _powers[0], _powers[1]
