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


def may_hold(texts: pa.ChunkedArray, wanted: Iterable[str]) -> pa.ChunkedArray:
    """Which texts may hold one of some names.

    Args:
        texts: The texts.
        wanted: The names, as the registry has them.

    Returns:
        A boolean for each text; none is false that holds a name.
    """
    folded = {name for one in wanted for name in (names.fold(one), names.fold(names.joined(one)))}
    words = {max(name.split(), key=len) for name in folded if name.split() and name.isascii()}
    texts = pc.fill_null(texts, "")
    if len(words) > MOST_NAMES:
        return pa.chunked_array([pa.repeat(True, len(texts))])
    other = pc.invert(pc.string_is_ascii(texts))
    if not words:
        return other
    pattern = "|".join(sorted(map(re.escape, words)))
    joined = pc.replace_substring_regex(texts, r"['`-]+", "")
    hits = (pc.match_substring_regex(one, pattern, ignore_case=True) for one in (texts, joined))
    return pc.or_(other, pc.or_(*hits))
