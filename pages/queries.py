"""Queries: a snapshot's tables through DuckDB, so that a million clips are filtered while somebody waits.

A snapshot is opened on the live Parquet parts that its Delta logs name; nothing is read for that. Behind it a thread
copies the clips into a DuckDB file in a temporary folder, and the words of the captions into an index beside them: from
then on a question is answered from there, several times faster, and until then from the parts. No extension of DuckDB
is downloaded. Where DuckDB cannot read the parts itself (object stores, a path that reads as a pattern), Arrow does.

Names of columns come from the records, never from who asks; values are bound parameters.
"""

from __future__ import annotations

import contextlib
import re
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

import duckdb
import pyarrow as pa

from transforms import listing, records, storage, tables
from transforms.settings import ConfigError

DEEPEST: Final = 10_000
"""Rows that can be paged through; who wants more narrows the question or exports the table."""

_CONFIG: Final = {"autoinstall_known_extensions": "false", "autoload_known_extensions": "false"}
_HEAD_START_SECONDS: Final = 1.5
"""Of large tables the copy begins so much later: whoever opened them sees a first page before."""
_MANY: Final = 50_000
_FEW: Final = 2000
_SEARCHES: Final = 16
"""Searches whose findings are kept."""
_SPLIT: Final = r"[^\pL\pN]+"
_WITHOUT_SPACES: Final = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\ua4cf\uf900-\ufaff]")
"""Scripts that are written without spaces: there a word is looked for anywhere in the text."""


class Refused(ValueError):
    """A question that cannot be asked: a name that is no column, or a value that is none of its values."""


class Where(NamedTuple):
    """A condition: SQL over one table, and what is bound to it."""

    sql: str
    values: tuple[Any, ...] = ()


class Page(NamedTuple):
    """Some rows of an answer, and how many there are in all."""

    rows: list[dict[str, Any]]
    total: int
    kept: int | None


def kind_of(field: pa.Field) -> str:
    """What can be asked of a column: `number`, `flag`, `time`, `text`, `list` or `map`."""
    checks = {
        "flag": pa.types.is_boolean,
        "time": pa.types.is_timestamp,
        "text": pa.types.is_string,
        "map": pa.types.is_map,
        "list": pa.types.is_list,
    }
    return next((name for name, check in checks.items() if check(field.type)), "number")


def kinds(table: str) -> dict[str, str]:
    """Every column of a table and what can be asked of it.

    Raises:
        Refused: There is no such table.
    """
    if table not in records.BY_TABLE:
        raise Refused(f"no table {table!r}; there are {', '.join(records.BY_TABLE)}")
    return {field.name: kind_of(field) for field in records.schema(records.BY_TABLE[table])}


def search_words(text: str) -> list[str]:
    """The words of a search, in lower case."""
    return [word for word in re.split(r"[\W_]+", text.lower()) if word]


def _number(name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise Refused(f"{name}: {text!r} is no number") from None
    if value != value or value in (float("inf"), float("-inf")):
        raise Refused(f"{name}: {text!r} is no number")
    return value


class Snapshot:
    """The tables as they were after one commit, open for questions from any thread.

    Args:
        corpus: The output folder.
        number: Number of the snapshot; None is the latest.
        prepare: Copy clips and words in the background.

    Raises:
        ConfigError: There is no such snapshot.
    """

    def __init__(self, corpus: tables.Corpus, number: int | None = None, prepare: bool = True) -> None:
        found = tables.snapshot(corpus, number)
        self.corpus = corpus
        self._connection = duckdb.connect(":memory:", config=dict(_CONFIG))
        self._closed, self._clips_ready, self._words_ready = threading.Event(), threading.Event(), threading.Event()
        self._datasets: dict[str, Any] = {}
        self._answers: dict[str, list[dict[str, Any]]] = {}
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._thread: threading.Thread | None = None
        self.versions: dict[str, int] = {}
        self._many = False
        self._lock, self._searched = threading.Lock(), 0
        self._found: dict[tuple[str, tuple[Any, ...]], tuple[str, str]] = {}
        self.follow(found)
        if prepare:
            self._folder = tempfile.TemporaryDirectory(prefix="rushes-browse-")
            self._thread = threading.Thread(target=self._copy, name="rushes-browse-copy", daemon=True)
            self._thread.start()

    def follow(self, found: tables.Snapshot) -> None:
        """Become another snapshot with the same clips and captions: their copies stay.

        Raises:
            ConfigError: A part of it is gone.
        """
        self.number, self.run_id = found.number, found.run_id
        for name in records.BY_TABLE:
            version = found.versions.get(name)
            if name not in self.versions or version != self.versions[name]:
                self._open(name, version)
                self.versions[name] = -1 if version is None else version

    def _open(self, name: str, version: int | None) -> None:
        schema = records.schema(records.BY_TABLE[name])
        if version is None:
            # A table that is younger than the snapshot, or than the output folder: it held nothing then.
            self._empty(name, schema)
            return
        # The newest snapshot has no number before the first commit.
        parts = [
            p
            for found in tables.live_parts(tables.delta(self.corpus, name, self.number or None)).values()
            for p in found
        ]
        self._many |= name == "clips" and sum(part.rows for part in parts) > _MANY
        if not parts:
            self._empty(name, schema)
            return
        uris = [storage.join(self.corpus.table_uri(name), *part.path.split("/")) for part in parts]
        if any(storage.is_remote(uri) or listing.is_pattern(uri) for uri in uris):
            self._datasets[name] = tables.dataset(self.corpus, name, self.number or None)
            return
        files = ", ".join("'" + uri.replace("'", "''") + "'" for uri in uris)
        read = f"read_parquet([{files}], union_by_name=true, hive_partitioning=false)"
        try:
            have = {row[0] for row in self._connection.execute(f"DESCRIBE SELECT * FROM {read}").fetchall()}
        except duckdb.IOException as error:
            raise ConfigError(
                f"{name}: snapshot {self.number} needs a part that is gone; `gc` removes those of older snapshots"
            ) from error
        # A column that older parts lack is null in them.
        columns = ", ".join(f'"{f.name}"' if f.name in have else f'{_null(f)} AS "{f.name}"' for f in schema)
        self._connection.execute(f'CREATE OR REPLACE VIEW "{name}" AS SELECT {columns} FROM {read}')

    def _empty(self, name: str, schema: pa.Schema) -> None:
        columns = ", ".join(f'{_null(f)} AS "{f.name}"' for f in schema)
        self._connection.execute(f'CREATE OR REPLACE VIEW "{name}" AS SELECT {columns} WHERE false')

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        """A cursor of its own for each question: they may come from several threads at once."""
        cursor = self._connection.cursor()
        for name, dataset in self._datasets.items():
            cursor.register(name, dataset)
        return cursor

    def _copy(self) -> None:
        with contextlib.suppress(duckdb.Error):  # Closed while it ran, or no room for it: the parts still answer.
            assert self._folder is not None
            if self._many and self._closed.wait(_HEAD_START_SECONDS):
                return
            cursor = self._cursor()
            place = str(Path(self._folder.name, "copy.duckdb")).replace("'", "''")
            cursor.execute(f"ATTACH '{place}' AS copied")
            cursor.execute("CREATE TABLE copied.clips AS SELECT * FROM clips")
            self._clips_ready.set()
            cursor.execute(
                "CREATE TABLE copied.texts AS SELECT c.rowid AS clip, lower(p.text) AS text"
                " FROM captions p JOIN copied.clips c USING (clip_id)"
            )
            cursor.execute(
                "CREATE TABLE copied.words AS SELECT word, clip FROM ("
                f" SELECT DISTINCT clip, unnest(string_split_regex(text, '{_SPLIT}')) AS word FROM copied.texts)"
                " WHERE word <> '' ORDER BY word, clip"
            )
            self._words_ready.set()

    @property
    def ready(self) -> bool:
        """Whether the copy is complete, and questions are answered at full speed."""
        return self._words_ready.is_set()

    def wait(self, seconds: float = 60.0) -> bool:
        """Wait for the copy; whether it is complete."""
        return self._words_ready.wait(seconds)

    def close(self) -> None:
        """Close, and remove the copy."""
        self._closed.set()
        self._connection.interrupt()
        if self._thread is not None:
            self._thread.join(10)
        self._connection.close()
        if self._folder is not None:
            self._folder.cleanup()

    def table(self, name: str) -> str:
        """What a table is called in SQL now: the copy once it is there.

        Raises:
            Refused: There is no such table.
        """
        if name not in records.BY_TABLE:
            raise Refused(f"no table {name!r}; there are {', '.join(records.BY_TABLE)}")
        return "copied.clips" if name == "clips" and self._clips_ready.is_set() else f'"{name}"'

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of an answer as mappings.

        Raises:
            ConfigError: A part is gone.
        """
        try:
            answer = self._cursor().execute(sql, list(values))
            names = [column[0] for column in answer.description or ()]
            return [dict(zip(names, row, strict=True)) for row in answer.fetchall()]
        except duckdb.IOException as error:
            raise ConfigError(
                f"snapshot {self.number} needs a part that is gone; `gc` removes those of older snapshots"
            ) from error

    def once(self, name: str, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """The rows of an answer about clips that every page wants, asked once for as long as the clips stay."""
        if name not in self._answers:
            self._answers[name] = self.rows(sql, values)
        return self._answers[name]

    def where(self, table: str, asked: Mapping[str, str]) -> Where:
        """The condition that somebody asks for.

        Args:
            table: Name of the table.
            asked: `COLUMN` (a word contained in a text, an entry of a list, `yes` or `no`, a number), `COLUMN.min` and
                `COLUMN.max` (numbers), and of `clips` `q` (words of its captions). Empty values ask for nothing.

        Raises:
            Refused: No such column, or a value that is none.
        """
        known, parts, values = kinds(table), ["true"], list[Any]()
        for name, text in asked.items():
            text = text.strip()
            if not text:
                continue
            if name == "q" and table == "clips":
                for sql, given in self._searches(text):
                    parts.append(sql)
                    values += given
                continue
            column, dot, end = name.partition(".")
            kind = known.get(column)
            if kind is None or (dot and (kind != "number" or end not in ("min", "max"))):
                raise Refused(f"{table} has no filter {name!r}")
            sql, value = _condition(column, kind, end, text)
            parts.append(sql)
            values += value
        return Where(" AND ".join(parts), tuple(values))

    def _searches(self, text: str) -> Iterator[tuple[str, list[Any]]]:
        """Conditions on clips: for each word, some caption has a word that begins so."""
        parts, values = list[str](), list[Any]()
        for word in search_words(text):
            anywhere = _WITHOUT_SPACES.search(word) is not None
            if not self._words_ready.is_set():
                test = "contains(lower(text), ?)" if anywhere else "regexp_matches(lower(text), ?)"
                given = word if anywhere else rf"(^|[^\pL\pN]){re.escape(word)}"
                yield f"clip_id IN (SELECT clip_id FROM captions WHERE {test})", [given]
            elif anywhere:
                parts.append("SELECT clip FROM copied.texts WHERE contains(text, ?)")
                values.append(word)
            else:
                parts.append("SELECT clip FROM copied.words WHERE word >= ? AND word < ?")
                values += [word, word[:-1] + chr(min(ord(word[-1]) + 1, 0x10FFFF))]
        if not parts:
            return
        all_of_them = " INTERSECT ".join(parts)
        yield f"rowid IN ({self._hits(all_of_them, tuple(values))})", []

    def _hits(self, sql: str, values: tuple[Any, ...]) -> str:
        """The clips that a search found, as SQL; found once for counting, for every page and with any other filter."""
        with self._lock:
            if (sql, values) not in self._found:
                self._searched += 1
                name = f"copied.found_{self._searched}"
                self.rows(f"CREATE TABLE {name} AS SELECT DISTINCT clip FROM ({sql})", values)
                few = self.rows(f"SELECT clip FROM {name} LIMIT {_FEW + 1}")
                # Few are named, so that the rest of the table is not looked at.
                short = len(few) <= _FEW
                named = ", ".join(str(row["clip"]) for row in few) or "-1"
                self._found[sql, values] = (name, named if short else f"SELECT clip FROM {name}")
                if len(self._found) > _SEARCHES:
                    old, _ = self._found.pop(next(iter(self._found)))
                    self.rows(f"DROP TABLE {old}")
            return self._found[sql, values][1]

    def page(
        self,
        table: str,
        columns: Sequence[str],
        where: Where,
        sort: str = "",
        descending: bool = False,
        first: int = 0,
        count: int = 60,
    ) -> Page:
        """Some rows of a table in an order, and how many meet the condition.

        Args:
            table: Name of the table.
            columns: Which columns; all where it is empty.
            where: The condition, from `where`.
            sort: A column; empty is the order in which rows are stored, by key within a bucket.
            descending: The largest first. What is null comes last either way.
            first: How many to skip; at most `DEEPEST`.
            count: How many to return.

        Raises:
            Refused: No such column, or too deep.
        """
        known = kinds(table)
        if unknown := [name for name in (*columns, *([sort] if sort else [])) if name not in known]:
            raise Refused(f"{table} has no column {unknown[0]!r}")
        if not 0 <= first <= DEEPEST:
            raise Refused(f"pages end after {DEEPEST} rows; narrow the filters, or export the table")
        of, kept = self.table(table), "count(*) FILTER (kept)" if "kept" in known else "NULL"
        names = ", ".join(f'"{name}"' for name in (columns or known))
        way, limit = "DESC" if descending else "ASC", f"LIMIT {int(count)} OFFSET {int(first)}"
        (counted,) = self.rows(f"SELECT count(*) AS total, {kept} AS kept FROM {of} WHERE {where.sql}", where.values)
        if of.startswith("copied"):
            # The numbers of the few rows first: sorting carries nothing along, and no other row's columns are read.
            order = f'ORDER BY "{sort}" {way} NULLS LAST, rowid' if sort else ""
            sql = f"SELECT rowid FROM {of} WHERE {where.sql} {order} {limit}"
            chosen = [row["rowid"] for row in self.rows(sql, where.values)]
            if not chosen:
                return Page([], counted["total"], counted["kept"])
            these = ", ".join(f"({number})" for number in chosen)
            sql = f"SELECT c.rowid, {names} FROM {of} c JOIN (VALUES {these}) AS v(number) ON c.rowid = v.number"
            by_number = {row.pop("rowid"): row for row in self.rows(sql)}
            return Page([by_number[number] for number in chosen], counted["total"], counted["kept"])
        keys = ", ".join(f'"{key}"' for key in records.BY_TABLE[table].key)
        order = f'ORDER BY "{sort}" {way} NULLS LAST, {keys}' if sort else ""
        rows = self.rows(f"SELECT {names} FROM {of} WHERE {where.sql} {order} {limit}", where.values)
        return Page(rows, counted["total"], counted["kept"])


def _null(field: pa.Field) -> str:
    """A null of a column's type, in SQL."""
    names = {"string": "VARCHAR", "int64": "BIGINT", "double": "DOUBLE", "bool": "BOOLEAN"}
    if pa.types.is_list(field.type):
        return f"NULL::{names[str(field.type.value_type)]}[]"
    if pa.types.is_map(field.type):
        return f"NULL::MAP({names[str(field.type.key_type)]}, {names[str(field.type.item_type)]})"
    return f"NULL::{names.get(str(field.type), 'TIMESTAMPTZ')}"


def _condition(column: str, kind: str, end: str, text: str) -> tuple[str, list[Any]]:
    name = f'"{column}"'
    if kind == "number":
        value = _number(column, text)
        return f"{name} {({'min': '>=', 'max': '<='}).get(end, '=')} ?", [value]
    if kind == "flag":
        if text not in ("yes", "no"):
            raise Refused(f"{column}: yes or no, not {text!r}")
        return f"{name} = ?", [text == "yes"]
    if kind == "list":
        return f"list_contains({name}, ?)", [text]
    if kind == "map":
        return f"map_contains({name}, ?)", [text]
    if kind == "time":
        return f"starts_with(strftime({name}, '%Y-%m-%d %H:%M:%S'), ?)", [text.replace("T", " ")]
    return f"contains(lower({name}), ?)", [text.lower()]
