"""Language: which one a caption is written in.

`py3langid` guesses it: naive Bayes over byte sequences, 139 languages, 4.5 MB, NumPy and nothing else, under the BSD
licence. It was right on every caption of the tests that it was sure of, and it says how sure it is: below an even
chance nothing is claimed. What stands in quotation marks is text in the picture or speech, whatever its language, and
is left out.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from typing import Any, Final

SURE: Final = 0.5
"""Least probability of a language that is claimed. English captions of four words or more have 0.4 to 1, others of
eight words 0.5 to 1; single words and lists of names under 0.4."""

_QUOTED: Final = re.compile(
    "\"[^\"\n]*\"|“[^”\n]*”|„[^“”\n]*[“”]|«[^»\n]*»|「[^」\n]*」|(?<!\\w)['‘][^'’\n]*['’](?!\\w)"
)
_ASIAN: Final = frozenset({"CJK", "HIRAGANA", "KATAKANA", "HANGUL", "BOPOMOFO"})
_STRANGE: Final = 2  # letters of another script; one may be a unit or a formula


def without_quotes(text: str) -> str:
    """A text without what stands in quotation marks; apostrophes stay."""
    return _QUOTED.sub(" ", text)


def quotations(text: str) -> list[tuple[int, int]]:
    """Where quotations begin and end in a text, their marks included."""
    return [found.span() for found in _QUOTED.finditer(text)]


@functools.cache
def _identifier() -> Any:
    from py3langid import langid  # only where captions are checked

    return langid.LanguageIdentifier.from_model_file(langid.MODEL_FILE, norm_probs=True)


def language_of(text: str) -> str | None:
    """The language of a text, as an ISO 639 code such as `en`; None where it cannot be told.

    The first call in a process loads the model: about 2 s and 105 MB.
    """
    if not text.strip():
        return None
    language, probability = _identifier().classify(without_quotes(text))
    # `zxx` is the model's own word for what is no language: numbers, markup.
    return str(language) if probability >= SURE and language != "zxx" else None


def mixes_scripts(text: str) -> bool:
    """Whether a text in Latin letters has words in another script outside its quotation marks, as models that were
    trained in two languages write by mistake. Texts in other scripts borrow Latin words by custom: they never do."""
    scripts = Counter(_script(letter) for letter in without_quotes(text) if letter.isalpha())
    main = scripts.most_common(1)[0][0] if scripts else ""
    return main == "LATIN" and scripts.total() - scripts[main] >= _STRANGE


def _script(letter: str) -> str:
    name = unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]
    return "ASIAN" if name in _ASIAN else name
