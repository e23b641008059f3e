"""Matching by name and key: which works the names, addresses, accounts and hashes of footage belong to.

A version of the registry is compiled once (`filters.rights.compiling`) into a file that every process of a machine maps
and shares: opening it costs a check of its digest.

Every work that matches is told, not only that of the longest prefix or name: a party's refusal must not be hidden
behind a longer prefix of somebody else. What is told once is left out: where a longer match lies around a shorter one
and its work is part of the shorter one's, deciding on the longer hears what was said of both, and lets the more
specific word count.

A name beside one of its negative contexts, or in a text known to be of another language, means something else: it is no
match but a near miss, for people to look at. A language is known by its two-letter code; of any other word for one, all
names count.
"""

from __future__ import annotations

import functools
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

import marisa_trie
import numpy as np
import pyarrow as pa

from filters.rights import names, places, registry
from filters.rights.compiled import opened
from filters.rights.compiling import COLUMNS, RECIPE, bits_of, compile_matcher, iscc_key, sha256_key
from filters.rights.precedence import Match
from filters.rights.registry import Registry, RegistryError, Version
from transforms import storage
from transforms.addresses import has_scheme, redact

CONTEXT_WORDS: Final = 10
"""How many words before and after a name its negative contexts are looked for in."""

_BLOCK: Final = 2**18  # Characters that are folded at once; 60 bytes of memory each.
_OVERLAP: Final = 2**13  # Of the parts of a long text: longer than any name.
_CONTEXT: Final = 1000  # Most characters that so many words are looked for in.
_SHOWN: Final = 3
_FIRST: Final = (0,)


class Source(NamedTuple):
    """What is known of a source before a byte of it is read: its address, and the other columns of its list."""

    uri: str
    metadata: Mapping[str, str] = {}


class Found(NamedTuple):
    """What was found in a text.

    Attributes:
        matches: Works whose name stands there.
        near: What looks like a name of a work but means something else.
        spans: Of each match, where its names stand: start and stop in code points of the text.
    """

    matches: list[Match]
    near: list[Match]
    spans: Sequence[tuple[tuple[int, int], ...]] = ()


class _Hit(NamedTuple):
    row: int
    start: int
    stop: int
    near: str = ""


class _Entry(NamedTuple):
    identifier_id: str
    work_id: str
    kind: str
    language: str | None
    component: str | None
    contexts: list[str]
    above: list[str]


_Piece = tuple[int, int, str]
"""Which text it is of, where in it, and what is there."""


class Matcher:
    """A compiled version, open. Cheap to keep, safe to use from several threads.

    Attributes:
        path: The file.
        digest: Digest of the registry version that it was compiled from.
        entries: How many identifiers it holds.
        unmatchable: Ids of identifiers of which nothing can be looked for: names of signs alone, addresses of nothing.
    """

    def __init__(self, path: str | Path, digest: str | None = None) -> None:
        """Open a compiled file.

        Args:
            path: Where it lies on this machine.
            digest: The version it has to be of; None: any.

        Raises:
            RegistryError: It is damaged, of another version, or made by another program.
        """
        self.path = str(path)
        header, sections = opened(path)
        if header["recipe"] != RECIPE or (digest is not None and header["digest"] != digest):
            raise RegistryError(f"{path}: compiled from another version, or by another program; compile it again")
        self.digest: str = header["digest"]
        self.entries: int = header["entries"]
        self.unmatchable: list[str] = header["unmatchable"]
        self._longest: int = header["longest"]
        self._trie = marisa_trie.Trie()
        self._trie.map(sections["trie"])
        self._sections = sections  # What the trie and the arrays look into must not go.
        self._firsts = np.frombuffer(sections["firsts"], "<u4")
        self._rows = np.frombuffer(sections["rows"], "<u4")
        self._beginnings = np.frombuffer(sections["beginnings"], "<u8")
        self._table = pa.ipc.open_file(pa.py_buffer(sections["entries"])).read_all()
        self._entry = functools.lru_cache(65536)(self._read_entry)

    def source(self, uri: str, metadata: Mapping[str, str] | None = None) -> list[Match]:
        """What one source is known to be by its address and the columns of its list; see `sources`."""
        return self.sources([Source(uri, metadata or {})])[0]

    def sources(self, batch: Sequence[Source]) -> list[list[Match]]:
        """What sources are known to be before they are read.

        Looked up are the address and every column that holds one; accounts (`places.accounts`); columns `sha256` and
        `iscc`; and names in the file's name and in every other column, but for numbers in columns that are no title.
        """
        found: dict[int, list[Match]] = defaultdict(list)
        texts: list[str] = []
        owners: list[tuple[int, str]] = []
        for at, (uri, metadata) in enumerate(batch):
            if matches := self._at(uri):
                found[at] += matches
            if name := places.file_name(uri):  # Often all that is known of a local file.
                texts.append(name)
                owners.append((at, "file name"))
            for column, value in metadata.items():
                if not value:
                    continue
                if "://" in value and has_scheme(value):
                    found[at] += self._at(value)
                elif column == "sha256":
                    found[at] += self.bytes_hash(value)
                elif column == "iscc":
                    found[at] += self.iscc(value)
                elif "title" in column or "name" in column or not _is_number(value):
                    texts.append(value)
                    owners.append((at, column))
            if "account" in metadata or "platform" in metadata:
                for account in places.accounts(metadata):
                    found[at] += self._equal("a" + account, f"account {account}")
        for place, hits in self._named(texts).items():
            at, column = owners[place]
            found[at] += self._matches(hits, texts[place], column, None).matches
        return [sorted(set(found[at]), key=str) if at in found else [] for at in range(len(batch))]

    def text(self, text: str, where: str, language: str | None = None) -> list[Match]:
        """Works whose name stands in a text.

        Args:
            text: A title, caption, transcript, prompt, ...
            where: Which of these, for the words of the matches.
            language: Language of the text (BCP 47), where it is known: names of another language are near misses.
        """
        return self.texts([text], where, language)[0].matches

    def texts(self, texts: Sequence[str], where: str, language: str | None = None) -> list[Found]:
        """Names in many texts, with near misses: the fast way, for thousands at a time."""
        named = self._named(texts)
        return [
            self._matches(named[at], text, where, language) if at in named else Found([], [])
            for at, text in enumerate(texts)
        ]

    def bytes_hash(self, sha256: str) -> list[Match]:
        """Works that these very bytes are."""
        return self._equal("h" + sha256_key(sha256), f"the bytes are sha256:{sha256_key(sha256)}")

    def iscc(self, code: str) -> list[Match]:
        """Works with this very ISCC code."""
        return self._equal("c" + iscc_key(code), f"ISCC:{iscc_key(code)}")

    def _equal(self, key: str, words: str) -> list[Match]:
        number = self._trie.get(key)
        return [] if number is None else [self._match(row, words) for row in self._rows_of(number)]

    def _at(self, uri: str) -> list[Match]:
        hits: dict[_Hit, str] = {}
        for place in places.keys(uri):
            for key in self._trie.prefixes("u" + place):
                if places.holds(key[1:], place):
                    hits |= {_Hit(row, 0, len(key)): key[1:] for row in self._rows_of(self._trie[key])}
        if not hits:
            return []
        kept, left_out = self._without_ancestors(list(hits))
        words = {hit: f"address {redact(uri)} is within {places.shown(hits[hit])}" for hit in kept}
        return [self._match(hit.row, words[hit], left_out.get(hit.row, ())) for hit in kept]

    def _rows_of(self, number: int) -> list[int]:
        found: list[int] = self._rows[self._firsts[number] : self._firsts[number + 1]].tolist()
        return found

    def _read_entry(self, row: int) -> _Entry:
        return _Entry(*(self._table.column(name)[row].as_py() for name in _Entry._fields))

    def _match(self, row: int, words: str, left_out: Iterable[str] = ()) -> Match:
        entry = self._entry(row)
        above = tuple(sorted(left_out))
        return Match(entry.work_id, entry.kind, entry.identifier_id, entry.component, None, words, above)

    def _begins(self, folded: names.Folded) -> names.Places:
        """Where in folded texts a name may begin: everywhere one does, and at one in a thousand other places."""
        some = np.zeros(len(folded.units), bool)
        for hashed in names.hashes(folded):
            place, bits = bits_of(hashed, len(self._beginnings))
            some |= self._beginnings[place] & bits == bits
        return folded.units[some & names.may_begin(folded)]

    def _named(self, texts: Sequence[str]) -> dict[int, list[_Hit]]:
        """Every place where a name stands, of the texts that hold one."""
        found: dict[int, list[_Hit]] = defaultdict(list)
        if not self._longest:
            return found
        for pieces in _blocks(texts):
            folded = names.fold_all([text for _, _, text in pieces])
            if not len(folded.units):
                continue
            begins = self._begins(folded)
            hits: dict[int, list[_Hit]] = defaultdict(list)
            for at, piece in zip(begins.tolist(), np.searchsorted(folded.ends, begins).tolist(), strict=True):
                for key in self._trie.prefixes("n" + folded.text[at : at + self._longest]):
                    if names.may_end(folded, stop := at + len(key) - 1):
                        hits[piece] += self._hits(folded, piece, at, stop, self._trie[key])
            if not hits:
                continue
            some = [(piece, hit) for piece, every in hits.items() for hit in every]
            for (piece, hit), (start, stop) in zip(some, _placed(texts, pieces, folded, some), strict=True):
                owner, offset, _ = pieces[piece]
                found[owner].append(_Hit(hit.row, offset + start, offset + stop, hit.near))
        return found

    def _hits(self, folded: names.Folded, piece: int, at: int, stop: int, number: int) -> Iterator[_Hit]:
        for row in self._rows_of(number):
            near = ""
            if contexts := self._entry(row).contexts:
                low, high = _around(folded, piece, at, stop)
                near = next((c for c in contexts if names.found_in(folded, c, low, high)), "")
            yield _Hit(row, at, stop, near)

    def _matches(self, hits: Sequence[_Hit], text: str, where: str, language: str | None) -> Found:
        """One match for every identifier, with where it stands; and the same of near misses."""
        if len(hits) == 1 and not hits[0].near and not (language and self._entry(hits[0].row).language):
            (hit,) = hits  # By far the most.
            return Found([self._match(hit.row, _told(hits, text, where))], [], [((hit.start, hit.stop),)])
        real: list[_Hit] = []
        near: dict[tuple[int, str], list[_Hit]] = defaultdict(list)
        for hit in sorted(set(hits)):
            if hit.near:
                near[hit.row, f"“{hit.near}” is near"].append(hit)
            elif other := self._other_language(hit.row, language):
                near[hit.row, other].append(hit)
            else:
                real.append(hit)
        by_row: dict[int, list[_Hit]] = defaultdict(list)
        kept, left_out = self._without_ancestors(real)
        for hit in kept:
            by_row[hit.row].append(hit)
        told = sorted(by_row.items())
        return Found(
            [self._match(row, _told(some, text, where), left_out.get(row, ())) for row, some in told],
            [self._match(row, f"{_told(some, text, where)}; {why}") for (row, why), some in sorted(near.items())],
            [tuple((hit.start, hit.stop) for hit in some) for _, some in told],
        )

    def _other_language(self, row: int, language: str | None) -> str:
        own = self._entry(row).language or ""
        tongues = {_tongue(own), _tongue(language or "")}
        if len(tongues) == 1 or "" in tongues:
            return ""
        return f"a name in {own}, a text in {language}"

    def _without_ancestors(self, hits: Sequence[_Hit]) -> tuple[list[_Hit], Mapping[int, set[str]]]:
        """Hits without those that lie within a hit on a part of the same work, as the decision on the part hears both;
        and for each row the works that were left out for it."""
        left_out: dict[int, set[str]] = defaultdict(set)
        around: dict[tuple[str, str | None], list[_Hit]] = defaultdict(list)
        for hit in hits if len(hits) > 1 else ():
            entry = self._entry(hit.row)
            for work in entry.above:
                around[work, entry.component].append(hit)
        if not around:
            return list(hits), left_out
        kept = []
        for hit in hits:
            entry = self._entry(hit.row)
            same = around.get((entry.work_id, entry.component), ())
            holders = [other for other in same if other.start <= hit.start and hit.stop <= other.stop]
            for other in holders:
                left_out[other.row].add(entry.work_id)
            if not holders:
                kept.append(hit)
        return kept, left_out


_TONGUES: Final = (
    " aa ab ae af ak am an ar as av ay az ba be bg bi bm bn bo br bs ca ce ch co cr cs cu cv cy da de dv dz ee el en"
    " eo es et eu fa ff fi fj fo fr fy ga gd gl gn gu gv ha he hi ho hr ht hu hy hz ia id ie ig ii ik io is it iu ja"
    " jv ka kg ki kj kk kl km kn ko kr ks ku kv kw ky la lb lg li ln lo lt lu lv mg mh mi mk ml mn mr ms mt my na nd"
    " ne ng nl no nr nv ny oc oj om or os pa pi pl ps pt qu rm rn ro ru rw sa sc sd se sg si sk sl sm sn so sq sr ss"
    " st su sv sw ta te tg th ti tk tl tn to tr ts tt ty ug uk ur uz ve vi vo wa wo xh yi yo za zh zu "
)
"""Codes of ISO 639-1, but for nb, nn and tw: they are forms of no and ak, whose names count in them too."""


def _tongue(language: str) -> str:
    """The language of a BCP 47 tag without script and region; empty where it is not known."""
    tongue = language.strip().replace("_", "-").partition("-")[0].lower()
    return tongue if len(tongue) == 2 and f" {tongue} " in _TONGUES else ""


def _told(hits: Sequence[_Hit], text: str, where: str) -> str:
    shown = [f"“{text[hit.start : hit.stop][:200]}” at {hit.start}-{hit.stop}" for hit in hits[:_SHOWN]]
    more = f" and {len(hits) - _SHOWN} more" if len(hits) > _SHOWN else ""
    return f"{where}: {', '.join(shown)}{more}"


def _placed(
    texts: Sequence[str], pieces: Sequence[_Piece], folded: names.Folded, hits: Sequence[tuple[int, _Hit]]
) -> list[tuple[int, int]]:
    """Where hits in folded pieces stand in the pieces as they were."""
    letters = np.append(0, np.cumsum(np.frombuffer(folded.kinds, np.uint8) > names.END))
    numbers = {piece: number for number, piece in enumerate(dict.fromkeys(piece for piece, _ in hits))}
    whole = [texts[owner][at : at + _BLOCK + _OVERLAP] for owner, at, _ in (pieces[piece] for piece in numbers)]
    before = letters[np.append(0, folded.ends)[list(numbers)]]
    which = np.array([numbers[piece] for piece, _ in hits])
    # A name begins and ends with a letter: how many there are before it, and up to its end.
    first = letters[[hit.start for _, hit in hits]] - before[which]
    after = letters[[hit.stop for _, hit in hits]] - before[which]
    return names.spans(whole, list(zip(which.tolist(), first.tolist(), after.tolist(), strict=True)))


def _around(folded: names.Folded, piece: int, at: int, stop: int) -> tuple[int, int]:
    """The words around a name, up to `CONTEXT_WORDS` on each side, as a stretch of the folded text."""
    low = int(folded.ends[piece - 1]) + 1 if piece else 0
    before = folded.text[max(low, at - _CONTEXT) : at].split(" ")[-CONTEXT_WORDS - 1 :]
    after = folded.text[stop : min(int(folded.ends[piece]), stop + _CONTEXT)].split(" ")[: CONTEXT_WORDS + 1]
    return at - len(" ".join(before)), stop + len(" ".join(after))


def _is_number(value: str) -> bool:
    return not any(letter.isalpha() for letter in value)


def _blocks(texts: Sequence[str]) -> Iterator[list[_Piece]]:
    """Texts in blocks of about `_BLOCK` characters, long ones in parts that overlap; ASCII by itself, it is faster."""
    held: dict[bool, list[_Piece]] = {True: [], False: []}
    sizes = {True: 0, False: 0}
    for owner, whole in enumerate(texts):
        plain = whole.isascii()
        pieces = held[plain]
        short = len(whole) <= _BLOCK
        for offset in _FIRST if short else range(0, len(whole), _BLOCK):
            text = whole if short else whole[offset : offset + _BLOCK + _OVERLAP]
            pieces.append((owner, offset, text))
            if (whole_words := names.joined(text)) != text:
                pieces.append((owner, offset, whole_words))
            sizes[plain] += len(text)
            if sizes[plain] >= _BLOCK:
                yield pieces
                pieces = held[plain] = []
                sizes[plain] = 0
    yield from filter(None, held.values())


def name_of(state: Version) -> str:
    """The file name of a compiled version."""
    return f"matcher-{RECIPE}-{state.digest or 'empty'}.bin"


def compile_version(reg: Registry, state: Version) -> str:
    """Compile a version into the registry's folder, for everybody who opens it; nothing to do where it is there.

    Returns:
        The file's uri.

    Raises:
        RegistryError: The version is damaged, or the folder cannot be written.
    """
    uri = reg.uri("compiled", name_of(state))
    with registry.told(reg, "compiling"):
        if not storage.exists(uri):
            storage.create_bytes(uri, _compiled(reg, state))
    return uri


def open_version(reg: Registry, state: Version, folder: str | Path | None = None) -> Matcher:
    """The matcher of a version: the one that lies compiled in the registry's folder, else compiled now.

    Args:
        reg: The registry.
        state: The version.
        folder: Where a file of this machine goes (a remote registry's, or one that nobody compiled); the next process
            that names it finds it. None: a temporary one.

    Raises:
        RegistryError: The version or its file is damaged.
    """
    uri = reg.uri("compiled", name_of(state))
    with registry.told(reg, "compiled version"):
        there = storage.exists(uri)
        if there and not storage.is_remote(uri):
            return Matcher(uri, state.digest)
        local = Path(folder or tempfile.mkdtemp(prefix="rushes-matcher-")) / name_of(state)
        if not local.exists():
            storage.create_bytes(str(local.absolute()), storage.read_bytes(uri) if there else _compiled(reg, state))
        return Matcher(local, state.digest)


def _compiled(reg: Registry, state: Version) -> bytes:
    identifiers = registry.current(reg, "identifiers", state, COLUMNS)
    return compile_matcher(identifiers, registry.current(reg, "works", state, ["work_id", "parent"]), state.digest)
