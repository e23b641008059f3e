"""Prefilter: which of very many texts may hold one of a few names, without folding them all.

Most text is plain ASCII, and folding leaves the letters of ASCII words as they are but for case. So of every name the
longest word is looked for by Arrow, in the text and in the text without the signs that may stand inside a word. What is
left, and every text that is not ASCII, has to be matched in full.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from filters.rights import names

MOST_NAMES: Final = 2_000
"""Names above which matching in full is no slower."""


def pattern(wanted: Iterable[str]) -> str | None:
    """What a text of plain ASCII matches, whatever its case, that holds one of some names.

    Args:
        wanted: The names, as the registry has them.

    Returns:
        A regular expression, empty where no such text holds one; None where there are too many names for it.
    """
    said = sorted({form for name in wanted for form in (name, names.joined(name))})
    folded = names.fold_all(said).text.split("\n")
    words = {max(name.split(), key=len) for name in folded if name.strip() and name.isascii()}
    return None if len(words) > MOST_NAMES else "|".join(sorted(map(re.escape, words)))


def may_hold(texts: pa.ChunkedArray, looked_for: str | None) -> pa.ChunkedArray:
    """Which texts may hold one of some names.

    Args:
        texts: The texts.
        looked_for: The `pattern` of the names.

    Returns:
        A boolean for each text; none is false that holds a name.
    """
    if looked_for is None:
        return pa.chunked_array([pa.repeat(True, len(texts))])
    texts = pc.fill_null(texts, "")
    other = pc.invert(pc.string_is_ascii(texts))
    if not looked_for:
        return other
    joined = pc.replace_substring_regex(texts, r"['`-]+", "")
    hits = (pc.match_substring_regex(one, looked_for, ignore_case=True) for one in (texts, joined))
    return pc.or_(other, pc.or_(*hits))
