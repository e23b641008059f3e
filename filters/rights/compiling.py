"""Compiling: identifiers of a version of the registry as arrays that are opened without reading them.

A trie holds everything that is looked up (`n` names, `u` addresses and domains, `a` accounts, `h` SHA-256, `c` ISCC).
`firsts` and `rows` lead from a key's number to the identifiers behind it, `entries` (Arrow) tells what a match says of
each, and `beginnings` is a Bloom filter of the first words of every name.

The trie is marisa-trie's: 1 million names take 10 MB, are mapped and not read, and all entries that a text begins with
come from one look-up. Aho-Corasick automata of that size have to be built or copied at every start.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any, Final

import marisa_trie
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from filters.rights import names, places
from filters.rights.compiled import pack

RECIPE: Final = 2
"""Raised whenever what is compiled, or how it is looked up, changes."""

KINDS: Final = ("url_prefix", "domain", "account", "sha256", "iscc", "text")
"""Kinds of identifier that are matched here."""

COLUMNS: Final = (
    "identifier_id", "work_id", "kind", "value", "aliases", "negative_contexts", "language", "component", "withdrawn",
)  # fmt: skip
"""Columns of identifiers that are compiled."""


def compile_matcher(identifiers: pa.Table, works: pa.Table | None = None, digest: str = "") -> bytes:
    """Compile identifiers into the bytes of a file, the same for the same rows in any order.

    Args:
        identifiers: The current rows of a version (`registry.current`); withdrawn ones never match.
        works: Its works, for which are part of which.
        digest: The version's digest, which `Matcher` can check.
    """
    counts = pc.invert(pc.fill_null(identifiers.column("withdrawn"), False))
    here = pc.is_in(identifiers.column("kind"), pa.array(KINDS))
    rows = identifiers.filter(pc.and_(counts, here)).sort_by([("identifier_id", "ascending")])
    columns = {name: rows.column(name).to_pylist() for name in COLUMNS}
    keyed: set[tuple[str, int]] = set()
    spelled: list[tuple[str, int]] = []
    for row, (kind, value) in enumerate(zip(columns["kind"], columns["value"], strict=True)):
        if kind == "text":
            for name in (value, *(columns["aliases"][row] or ())):
                spelled += [(name, row)] + ([(short, row)] if (short := names.joined(name)) != name else [])
        else:
            keyed.update((key, row) for key in _keys(kind, value))
    beginnings = []
    for at in range(0, len(spelled), 50_000):
        some = spelled[at : at + 50_000]
        found, hashed = _folded_names([name for name, _ in some])
        keyed.update((f"n{name}", row) for name, (_, row) in zip(found, some, strict=True) if name)
        beginnings.append(hashed)
    pairs = sorted(keyed)
    # Not folded into several tries: a third larger, and look-ups take little more than half the time.
    unique = [key for key, _ in itertools.groupby(key for key, _ in pairs)]
    trie = marisa_trie.Trie(unique, num_tries=1, cache_size=marisa_trie.HUGE_CACHE)
    ids = np.fromiter((trie[key] for key, _ in pairs), np.int64, len(pairs))
    held = np.fromiter((row for _, row in pairs), np.uint32, len(pairs))
    order = np.lexsort((held, ids))
    unmatched = sorted(set(range(rows.num_rows)) - set(held.tolist()))
    header = {
        "recipe": RECIPE,
        "digest": digest,
        "entries": rows.num_rows,
        "longest": max((len(key) for key, _ in pairs if key[0] == "n"), default=0),
        "unmatchable": [columns["identifier_id"][row] for row in unmatched],
    }
    sections = {
        "trie": trie.tobytes(),
        "firsts": np.searchsorted(ids[order], np.arange(len(trie) + 1)).astype("<u4").tobytes(),
        "rows": held[order].astype("<u4").tobytes(),
        "beginnings": _filter(np.concatenate(beginnings or [np.zeros(0, np.uint64)])).astype("<u8").tobytes(),
        "entries": _entries(rows, columns, works),
    }
    return pack(header, sections)


def _keys(kind: str, value: str) -> list[str]:
    if kind == "url_prefix":
        return [f"u{key}" for key in places.prefix_keys(value)]
    if kind == "domain":
        return [f"u{key}" for key in places.domain_keys(value)]
    if kind == "account":
        return [f"a{key}"] if (key := places.account_key(value)) else []
    value = sha256_key(value) if kind == "sha256" else iscc_key(value)
    return [("h" if kind == "sha256" else "c") + value] if value else []


def sha256_key(value: str) -> str:
    """A SHA-256 as it is compared."""
    return value.strip().casefold().removeprefix("sha256:")


def iscc_key(value: str) -> str:
    """An ISCC code as it is compared."""
    return value.strip().upper().removeprefix("ISCC:")


def _folded_names(spelled: Sequence[str]) -> tuple[list[str], names.Hashes]:
    """Names as they are looked up, empty where nothing is left of one, and the hashes of their beginnings."""
    folded = names.fold_all(spelled)
    begins = np.append(0, folded.ends[:-1] + 1)
    first = np.searchsorted(folded.units, begins)
    units = np.append(folded.units, len(folded.text))
    usable = units[first] < folded.ends
    count = np.clip(np.searchsorted(folded.units, folded.ends) - first, 1, names.UNITS)
    found = [
        folded.text[a:b].rstrip(" ") if use else ""
        for a, b, use in zip(units[first].tolist(), folded.ends.tolist(), usable.tolist(), strict=True)
    ]
    if not len(folded.units):
        return found, np.zeros(0, np.uint64)
    hashed = names.hashes(folded)
    return found, np.choose(count - 1, [one[np.minimum(first, len(one) - 1)] for one in hashed])[usable]


def _filter(hashed: names.Hashes) -> npt.NDArray[np.uint64]:
    """A blocked Bloom filter of hashes: three bits in one word of 64 for each, about a word a hash."""
    found = np.zeros(1 << max(1, len(hashed).bit_length()), np.uint64)
    place, bits = bits_of(hashed, len(found))
    np.bitwise_or.at(found, place, bits)
    return found


def bits_of(hashed: names.Hashes, words: int) -> tuple[npt.NDArray[np.int64], names.Hashes]:
    """Which word of a filter a hash is in, and the bits there that stand for it."""
    bits = np.zeros(len(hashed), np.uint64)
    for shift in (20, 26, 32):  # The lowest bits of the hash are those of the letters' sum.
        bits |= np.uint64(1) << ((hashed >> np.uint64(shift)) & np.uint64(63))
    return (hashed >> np.uint64(65 - words.bit_length())).astype(np.int64), bits


def _entries(rows: pa.Table, columns: Mapping[str, list[Any]], works: pa.Table | None) -> bytes:
    """What a match needs to know of each row, as one Arrow record batch."""
    parents: dict[str, str | None] = {}
    if works is not None:
        parents = dict(zip(works.column("work_id").to_pylist(), works.column("parent").to_pylist(), strict=True))
    above: dict[str, list[str]] = {}
    for work in set(columns["work_id"]):
        line: list[str] = []
        at = parents.get(work)
        while at is not None and at not in line and at != work:
            line.append(at)
            at = parents.get(at)
        above[work] = line
    contexts = [
        sorted({c for one in said if (c := names.fold(one))}) if said else [] for said in columns["negative_contexts"]
    ]
    table = rows.select(["identifier_id", "work_id", "kind", "language", "component"])
    table = table.append_column("contexts", pa.array(contexts, pa.list_(pa.string())))
    table = table.append_column("above", pa.array([above[w] for w in columns["work_id"]], pa.list_(pa.string())))
    table = table.replace_schema_metadata(None).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())
