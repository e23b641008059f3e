"""Release: what a trainer may use, frozen for one recipient, with a row for every use of a licensed work.

Everything that was recognised in footage is decided anew for the recipient, the places and the product: what is only
for others stays out. A release never changes; what changes afterwards is told by `rushes screen`.
"""

from __future__ import annotations

import dataclasses
import hashlib
import secrets
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from filters.rights import matching, policy, registry
from filters.rights.licences import Licence
from filters.rights.policy import RightsSettings
from filters.rights.screening import Conditions, Screen
from pipelines import descent, export, options, rescreening, rights_impact, screening
from pipelines.columns import readable, say
from transforms import commits, merge, records, release_records, storage, tables, views
from transforms.records import LicensedUseRow, ReleaseClipRow, ReleaseRow, RunRow, to_dict
from transforms.settings import ConfigError
from transforms.store import Store, canonical, digest

DESCRIPTION = """\
Freeze what the view `trainable` holds for one recipient: a list of clips with captions that never changes, and a row
for every use of a licensed work. What the registry does not allow this recipient, there and for that stays out."""
EPILOG = """\
examples:
  rushes release --output corpus --rights rights --name 2027-01 --recipient lab
  rushes release --output corpus --rights rights --name 2027-01-de --recipient lab --territories DE,AT

exit codes: 0 done or there already, 1 nothing to release, 2 wrong usage, or the corpus has to be screened first"""

USE: Final = "train"
"""What releases are for."""

LONGEST_NAME: Final = 120
"""Characters of a release's or a recipient's name."""


@dataclasses.dataclass(frozen=True)
class Wish:
    """What a release was asked for.

    Attributes:
        name: Its name.
        conditions: Whom, where and what it is for.
        cut: Only clips of this cut; None: of all.
    """

    name: str
    conditions: Conditions
    cut: str | None = None


@dataclasses.dataclass(frozen=True)
class Frozen:
    """What goes into a release.

    Attributes:
        clips: Rows of `trainable`, each clip once, sorted by id.
        licences: By video, the grants that its use rests on.
        left_out: Clips that may not be used so, by reason.
    """

    clips: pa.Table
    licences: Mapping[str, Sequence[Licence]]
    left_out: Mapping[str, int]


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(
        prog="rushes release",
        description=DESCRIPTION,
        epilog=EPILOG,
        usage="rushes release --output OUT --rights REGISTRY --name NAME --recipient WHO [options]",
    )
    made.add_argument("--output", required=True, metavar="OUT", help="an output folder, screened")
    made.add_argument("--rights", required=True, metavar="REGISTRY", help="the registry that it was screened with")
    made.add_argument("--name", required=True, metavar="NAME", help="what the release is called; for good")
    made.add_argument("--recipient", required=True, metavar="WHO", help="whom it is for, as grants name them")
    made.add_argument("--territories", metavar="A,B", help="countries it is for [default the whole world]")
    made.add_argument("--product", metavar="P", help="product it is for; grants for certain products need it")
    made.add_argument("--as-of", metavar="DATE", help="moment that is decided for, ISO 8601 in UTC [default now]")
    made.add_argument("--cut", metavar="NAME", help="only clips of this cut [default of all, each once]")
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code.

    Raises:
        ConfigError: Wrong usage, a corpus that was not screened with the registry as it is, or a name that is taken.
    """
    words = parser().parse_args(list(argv))
    corpus = tables.open_corpus(words.output)
    corpus = tables.create_corpus(corpus.root, corpus.buckets)  # An older one lacks the tables of releases.
    base = tables.roll_forward(corpus).number
    places = frozenset(name.strip().upper() for name in (words.territories or "").split(",") if name.strip())
    wish = Wish(_named("--name", words.name), Conditions(_named("--recipient", words.recipient), places, words.product))
    wish = dataclasses.replace(wish, cut=words.cut)
    screen = ready(corpus, words.rights, wish, words.as_of)
    frozen = freeze(corpus, base, screen, wish)
    for reason, clips in sorted(frozen.left_out.items()):
        say(f"Left out: {clips} clip{'s' * (clips != 1)}: {readable(reason)}")
    if not frozen.clips.num_rows:
        say("Nothing is left to release.")
        return 1
    row, there = write(corpus, base, screen, wish, frozen)
    hours = f"{row['clips']} clips of {row['videos']} videos, {row['seconds']:.1f} s"
    say(f"Release {row['release_id']}{' is there already' if there else ''}: {hours}")
    uses = sum(len(frozen.licences.get(video, ())) for video in frozen.clips.column("video_id").to_pylist())
    if uses and not there:
        say(f"Licensed uses: {uses} rows in `licensed_uses`; `rushes rights statement` rolls them up.")
    say(f"  {storage.redact(corpus.uri(row['manifest']))}")
    return 0


def _named(option: str, text: str) -> str:
    name = text.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise ConfigError(f"{option}: give 1 to {LONGEST_NAME} printable characters")
    return name


def ready(corpus: tables.Corpus, rights: str, wish: Wish, as_of: str | None) -> Screen:
    """The registry as it is now, under the regimes that the corpus was screened with and the wish's conditions.

    Raises:
        ConfigError: The corpus was never screened, or not with this registry as it is now.
    """
    shown = storage.redact(corpus.root)
    used = rights_impact.used(corpus)
    if used.rights is None:
        raise ConfigError(f"{shown} was never screened: run `rushes screen --output {shown} --rights {rights}` first")
    there = registry.open_registry(rights)
    state = registry.version(there)
    before = rescreening.decided_by(corpus, dataclasses.replace(used, rights=there.root))
    oldest = min(one.state.number for one in before)
    if 0 < oldest < state.number:  # Runs over some sources were followed by runs over all of them, perhaps.
        rows = tables.read(corpus, "verdicts", columns=["use", "kept_out", "registry_version"])
        counted = pc.and_(pc.equal(rows.column("use"), USE), pc.invert(rows.column("kept_out")))
        oldest = pc.min(rows.filter(counted).column("registry_version")).as_py() or state.number
    if oldest < state.number:
        how = f"with version {oldest} of the registry, which is at {state.number}" if oldest else "with this registry"
        raise ConfigError(
            f"{shown} was {'' if oldest else 'not '}screened {how}:"
            f" run `rushes screen --output {shown} --rights {rights}` first"
        )
    asked = dataclasses.replace(used, as_of=as_of, territories=tuple(sorted(wish.conditions.territories)))
    settings: RightsSettings = policy.pinned(asked, there.root, state.number)
    matching.compile_version(there, state)
    return Screen(settings).under(wish.conditions)


def freeze(corpus: tables.Corpus, base: int, screen: Screen, wish: Wish) -> Frozen:
    """What a release holds: everything that was recognised in `trainable` is decided anew.

    Args:
        corpus: The output folder.
        base: The snapshot that is frozen.
        screen: The registry, under the wish's conditions.
        wish: What was asked for.
    """
    clips = views.trainable(corpus, base)
    if wish.cut is not None:
        clips = clips.filter(pc.equal(clips.column("cut"), wish.cut))
    clips = _each_once(clips.sort_by([("clip_id", "ascending"), ("cut", "ascending")]))
    there = set(clips.column("video_id").unique().to_pylist())
    store = Store(corpus.root)
    kept_out: dict[str, str] = {}
    silent: set[str] = set()
    licences: dict[str, list[Licence]] = {}
    for video, stored in _held(corpus, base, there & (_recognised(corpus, base) | screening.marked(store))):
        change = rescreening.decide(screen, store, video, stored)
        if out := change.kept_out_by(USE):
            kept_out[video] = "; ".join(out[0]["words"]) or out[0]["verdict"]
            continue
        if change.kept_out_by("caption"):
            silent.add(video)
        found = [
            licence
            for one, matches in descent.recognised(screen, video, stored)
            for licence in screen.licences(USE, matches, descent.names(one))
        ]
        if found:
            licences[video] = _together(found)
    videos = clips.column("video_id")
    counts = Counter(kept_out[video] for video in videos.to_pylist() if video in kept_out)
    clips = clips.filter(pc.invert(pc.is_in(videos, pa.array(sorted(kept_out), pa.string()))))
    hushed = pc.is_in(clips.column("video_id"), pa.array(sorted(silent), pa.string()))
    place = clips.schema.get_field_index("caption")
    captions = pc.if_else(hushed, pa.scalar(None, pa.string()), clips.column("caption"))
    return Frozen(clips.set_column(place, "caption", captions), licences, dict(counts))


def _recognised(corpus: tables.Corpus, base: int) -> set[str]:
    """Videos in a source of which something was recognised: all others are as their verdicts say, for everybody."""
    rows = tables.read(corpus, "verdicts", base, ["use", "video_id", "matches"])
    some = pc.greater(pc.fill_null(pc.list_value_length(rows.column("matches")), 0), 0)
    return set(rows.filter(pc.and_(some, pc.equal(rows.column("use"), USE))).column("video_id").drop_null().to_pylist())


def _held(corpus: tables.Corpus, base: int, videos: set[str]) -> list[tuple[str, rescreening.Held]]:
    items: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for _, parts in rescreening.buckets(corpus, base) if videos else ():
        for video, item in rescreening.gather(corpus, parts, videos):
            items[video].append(item)
    return [(video, rescreening.held(items[video])) for video in sorted(items)]


def _each_once(clips: pa.Table) -> pa.Table:
    seen: set[str] = set()
    fresh = [not (name in seen or seen.add(name)) for name in clips.column("clip_id").to_pylist()]  # type: ignore[func-returns-value]
    return clips.filter(pa.array(fresh, pa.bool_()))


def _together(found: Iterable[Licence]) -> list[Licence]:
    grants = {one.grant.statement_id: one.grant for one in found}
    works: dict[str, set[str]] = defaultdict(set)
    for one in found:
        works[one.grant.statement_id].update(one.works)
    return [Licence(grants[name], tuple(sorted(works[name]))) for name in sorted(grants)]


def write(
    corpus: tables.Corpus, base: int, screen: Screen, wish: Wish, frozen: Frozen
) -> tuple[Mapping[str, Any], bool]:
    """Make a release visible, in one commit; its row, and whether it was there already.

    Raises:
        ConfigError: The name stands for another release of this recipient.
    """
    clips, asked = frozen.clips, wish.conditions
    content = hashlib.sha256()
    columns = (clips.column(name).to_pylist() for name in ("clip_id", "video_id", "caption"))
    for clip, video, caption in zip(*columns, strict=True):
        granted = [one.grant.statement_id for one in frozen.licences.get(video, ())]
        content.update(canonical([clip, caption, granted]).encode() + b"\n")
    made_for = [wish.name, asked.recipient, USE, sorted(asked.territories), asked.product]
    release_id = "r-" + digest([*made_for, content.hexdigest()])[:24]
    for one in tables.read(corpus, "releases").to_pylist():
        if one["release_id"] == release_id:
            return one, True
        if (one["name"], one["recipient"]) == (wish.name, asked.recipient):
            raise ConfigError(
                f"--name {wish.name}: release {one['release_id']} for {one['recipient']} has this name and holds other"
                " clips, captions or licences, or is for elsewhere; a release never changes: choose another name"
            )
    lengths = [_microseconds(*span) for span in zip(*(clips.column(n).to_pylist() for n in _SPAN), strict=True)]
    row = to_dict(
        ReleaseRow(
            release_id=release_id,
            name=wish.name,
            recipient=str(asked.recipient),
            use=USE,
            territories=sorted(asked.territories),
            product=asked.product,
            snapshot=base,
            at=datetime.now(UTC).isoformat(timespec="microseconds"),
            clips=clips.num_rows,
            videos=len(clips.column("video_id").unique()),
            seconds=sum(lengths) / 1_000_000,
            left_out=sum(frozen.left_out.values()),
            registry_version=screen.state.number,
            registry_digest=screen.state.digest,
            manifest=f"releases/{release_id}/clips.parquet",
            content_digest=content.hexdigest(),
        )
    )
    with tempfile.TemporaryDirectory(prefix="rushes-release-") as folder:
        local = Path(folder, "clips.parquet")
        export.write(clips, local, "parquet")
        storage.upload(str(local), corpus.uri(*row["manifest"].split("/")))
    _commit(corpus, base, row, _tables(row, frozen, lengths))
    return row, False


_SPAN: Final = ("start_pts", "end_pts", "time_base_num", "time_base_den")


def _microseconds(start: int, end: int, num: int, den: int) -> int:
    """Length of a span, rounded half to even, at least 1."""
    whole, rest = divmod((end - start) * num * 1_000_000, den)
    return max(whole + (2 * rest > den or (2 * rest == den and whole % 2 == 1)), 1)


def _tables(row: Mapping[str, Any], frozen: Frozen, lengths: Sequence[int]) -> dict[str, list[pa.Table]]:
    """The rows of a release, by table: of clips, and of the licensed ones among them a row for each grant."""
    names = ("clip_id", "video_id")
    clips = pa.table(
        {
            "release_id": pa.repeat(pa.scalar(row["release_id"]), len(lengths)),
            **{name: frozen.clips.column(name) for name in names},
            "microseconds": pa.array(lengths, pa.int64()),
        },
        schema=records.schema(ReleaseClipRow),
    )
    uses = []
    columns = (clips.column(name).to_pylist() for name in (*names, "microseconds"))
    for clip, video, length in zip(*columns, strict=True):
        for licence in frozen.licences.get(video, ()):
            uses.append(to_dict(_use(row, clip, video, length, licence)))
    return {
        ReleaseRow.table: [records.to_table(ReleaseRow, [dict(row)])],
        ReleaseClipRow.table: [clips],
        LicensedUseRow.table: [records.to_table(LicensedUseRow, uses)] if uses else [],
    }


def _use(row: Mapping[str, Any], clip: str, video: str, length: int, licence: Licence) -> LicensedUseRow:
    grant = licence.grant
    return LicensedUseRow(
        use_id=release_records.use_id(row["release_id"], clip, grant.statement_id),
        kind="release",
        used_in=row["release_id"],
        recipient=row["recipient"],
        use=row["use"],
        territories=row["territories"],
        product=row["product"],
        video_id=video,
        clip_id=clip,
        work_id=licence.works[0],
        works=list(licence.works),
        party_id=grant.party_id,
        statement_id=grant.statement_id,
        share_bp=grant.share_bp,
        microseconds=length,
        at=row["at"],
        registry_version=row["registry_version"],
    )


def _commit(corpus: tables.Corpus, base: int, row: Mapping[str, Any], made: Mapping[str, Sequence[pa.Table]]) -> None:
    """Write rows as parts, those about videos in their buckets, and make all visible at once."""
    staged = []
    for name, found in made.items():
        for table in found:
            for bucket, rows in _by_bucket(table, corpus.buckets):
                rows = rows.sort_by([(key, "ascending") for key in records.BY_TABLE[name].key])
                part = merge.write_part(corpus.table_uri(name), bucket, rows)
                staged.append(merge.Merged(name, bucket, (part,)))
    started = datetime.fromisoformat(row["at"])
    run_id = f"{started:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    commits.commit(corpus, run_id, base, {}, staged, lambda number: _run_row(run_id, row, number))


def _by_bucket(table: pa.Table, buckets: int) -> list[tuple[int, pa.Table]]:
    if "video_id" not in table.column_names:
        return [(0, table)]
    videos = table.column("video_id").combine_chunks().dictionary_encode()
    numbers = pa.array([records.bucket_of(v, buckets) for v in videos.dictionary.to_pylist()], pa.int64())
    placed = pc.take(numbers, videos.indices)
    return [(n, table.filter(pc.equal(placed, n))) for n in sorted(set(numbers.to_pylist()))]


def _run_row(run_id: str, row: Mapping[str, Any], number: int) -> RunRow:
    return RunRow(
        run_id=run_id,
        job="release",
        status="done",
        started=datetime.fromisoformat(row["at"]),
        ended=datetime.now(UTC),
        commit=number,
        # Not under `rights`: what one recipient was asked about says nothing of what the verdicts were decided by.
        config=canonical({"release": dict(row)}),
        versions=canonical({"rushes": version("rushes")}),
        balance="{}",
        decoded_frames=0,
        source_frames=0,
        source_bytes=0,
        read_bytes=0,
        footage_seconds=0.0,
    )


if __name__ == "__main__":
    from pipelines.main import guarded

    sys.exit(guarded(run, sys.argv[1:]))
