"""`rushes rights review`: what waits for a person in a corpus, and what the person decides, as an entry."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from filters.rights import matching, publishing, registry
from filters.rights.matching import Matcher
from filters.rights.precedence import Match
from filters.rights.records import USES, WORLD, IdentifierRow, StatementRow, identifier_id, says, statement_id
from filters.rights.registry import Registry, Version
from pipelines import options, screening
from pipelines.columns import say
from pipelines.impact import match_of
from pipelines.rights_lists import approved
from pipelines.rights_words import Verb, add_json, add_registry, opened, para, print_json, shown
from transforms import records, tables
from transforms.settings import ConfigError

SAME, OTHER = "same", "other"
"""A person's decisions: the footage is the work, or it is something else."""


@dataclasses.dataclass(frozen=True)
class Waiting:
    """Footage that waits for a person.

    Attributes:
        subject: Its address.
        video_id: The video; None where it was not read.
        words: Why it waits.
        matches: What was recognised: work, title, kind, and what was seen where.
        near: What looks like a name of a work and was taken for something else.
    """

    subject: str
    video_id: str | None
    words: tuple[str, ...]
    matches: tuple[tuple[str, str, str, str], ...]
    near: tuple[str, ...]


def waiting(corpus: tables.Corpus, held: Registry, state: Version, use: str) -> Iterator[Waiting]:
    """Everything that waits for a person, by address.

    Args:
        corpus: The output folder.
        held: The registry.
        state: Its version, for titles and near misses.
        use: `train`, `caption`, `generate` or `display`.
    """
    where = (ds.field("verdict") == "review") & (ds.field("use") == use)
    rows = tables.read(corpus, "verdicts", where=where).to_pylist()
    if not rows:
        return
    works = registry.current(held, "works", state, ["work_id", "title"])
    titles = dict(zip(works.column("work_id").to_pylist(), works.column("title").to_pylist(), strict=True))
    matcher = matching.open_version(held, state)
    for row in rows:
        found = [(match_of(text), text.split(": ", 1)[1]) for text in row["matches"] or ()]
        seen = tuple((match.work_id, titles.get(match.work_id, ""), match.kind, words) for match, words in found)
        near = tuple(sorted({m.words for m in _near(corpus, matcher, row)}))
        yield Waiting(row["subject"], row["video_id"], tuple(row["words"] or ()), seen, near)


def _near(corpus: tables.Corpus, matcher: Matcher, row: dict[str, Any]) -> Iterator[Match]:
    listed = tables.read(corpus, "sources", None, ["uri", "metadata"], ds.field("uri") == row["subject"]).to_pylist(
        maps_as_pydicts="strict"
    )
    for name, value in ((n, v) for one in listed for n, v in (one["metadata"] or {}).items()):
        yield from matcher.texts([value], name)[0].near
    if row["video_id"]:
        for table in screening.TEXTS:
            texts = tables.read(corpus, table, None, ["text"], ds.field("video_id") == row["video_id"])
            for found in matcher.texts(texts.column("text").to_pylist(), "caption"):
                yield from found.near


def entry(one: Waiting, work: str, decision: str, team: str, reason: str) -> IdentifierRow | StatementRow:
    """A decision as a row of the registry: the bytes are the work from now on, or are said not to be.

    Args:
        one: What it is about.
        work: Id of the work that was recognised.
        decision: `same` or `other`.
        team: Id of the rights team's party.
        reason: Why.
    """
    if decision == SAME:
        kind, value = ("sha256", one.video_id) if one.video_id else ("url_prefix", one.subject)
        return IdentifierRow(identifier_id=identifier_id(work, kind, value), work_id=work, kind=kind, value=value)
    said = StatementRow(
        statement_id="",
        party_id=team,
        mode="exclude",
        work_id=work,
        uses=list(USES),
        territories=[WORLD],
        subject=f"sha256:{one.video_id}" if one.video_id else one.subject,
        note=reason,
    )
    return dataclasses.replace(said, statement_id=statement_id(records.to_dict(said)))


def team_of(held: Registry, state: Version, named: str | None) -> str:
    """The id of the rights team's party, the only one that may say that a match is false for everybody.

    Raises:
        ConfigError: There is none that is verified, or several and none was named.
    """
    parties = registry.current(held, "parties", state, ["party_id", "kind", "verified_by"])
    good = pc.and_(pc.equal(parties.column("kind"), "team"), pc.is_valid(parties.column("verified_by")))
    teams = parties.filter(good).column("party_id").to_pylist()
    if named in teams or (named is None and len(teams) == 1):
        return str(named or teams[0])
    there = f"there are {', '.join(teams)}" if teams else "there is none: publish a verified party of kind team first"
    raise ConfigError(f"--team {named or ''}: name the rights team's party; {there}")


def batches(row: IdentifierRow | StatementRow) -> dict[str, list[pa.RecordBatch]]:
    """One new row as publishing takes it."""
    plain = records.to_dict(row)
    plain["digest"] = says(type(row), plain)
    return {row.table: records.to_table(type(row), [plain]).to_batches()}


def _review(words: argparse.Namespace) -> int:
    held = opened(words)
    state = registry.version(held)
    found = list(waiting(tables.open_corpus(words.output), held, state, words.use))
    if words.decide is not None:
        return _decide(words, held, state, found)
    if words.json:
        print_json([dataclasses.asdict(one) for one in found])
        return 0
    say(
        f"{shown(words.output)}: {len(found)} to be looked at by a person"
        if found
        else f"{shown(words.output)}: nothing waits"
    )
    for one in found:
        say("")
        para(one.subject)
        for work, title, kind, seen in one.matches:
            para(f"{kind} of {title or work} ({work}): {seen}", "  ", "    ")
        for text in one.words:
            para(text, "  ", "    ")
        for text in one.near:
            para(f"not taken for a match: {text}", "  ", "    ")
    if found:
        say("")
        say("To decide one: --subject ADDRESS --work ID --decide same|other --author A --reason T")
    return 0


def _decide(words: argparse.Namespace, held: Registry, state: Version, found: Sequence[Waiting]) -> int:
    missing = [f"--{name}" for name in ("subject", "work", "author", "reason") if not getattr(words, name)]
    if missing:
        raise ConfigError(f"--decide {words.decide}: give {', '.join(missing)} too")
    one = next((w for w in found if words.subject in (w.subject, w.video_id)), None)
    if one is None:
        raise ConfigError(f"--subject {words.subject}: does not wait in {shown(words.output)}")
    if words.work not in {work for work, *_ in one.matches}:
        raise ConfigError(f"--work {words.work}: was not recognised in it; {', '.join(w for w, *_ in one.matches)} was")
    approved(held, words)
    team = team_of(held, state, words.team) if words.decide == OTHER else ""
    row = entry(one, words.work, words.decide, team, words.reason)
    said = {"author": words.author, "reason": words.reason, "approver": words.approver or ""}
    try:
        made = publishing.publish(held, batches(row), base=state.number, **said)
    except publishing.Outdated as error:
        say(f"Not recorded: {error}")
        return 1
    say(
        f"{shown(held.root)}: version {made.number} says that {one.subject} is "
        + (f"{words.work}" if words.decide == SAME else f"not {words.work}")
    )
    say(f"It counts from the next run: rushes screen --output {shown(words.output)} --rights {shown(held.root)}")
    return 0


def _arguments(parser: options.Parser) -> None:
    add_registry(parser)
    parser.add_argument(
        "--output", required=True, metavar="OUT", help="the corpus: an output folder of `rushes curate`"
    )
    parser.add_argument("--use", choices=USES, default="train", help="for which use [default train]")
    parser.add_argument("--decide", choices=(SAME, OTHER), help="it is the work, or it is something else")
    parser.add_argument("--subject", metavar="ADDRESS", help="what is decided: its address or video_id")
    parser.add_argument("--work", metavar="ID", help="the work that was recognised in it")
    parser.add_argument("--team", metavar="ID", help="the rights team's party [default: the only one of kind team]")
    parser.add_argument("--author", metavar="A", help="who decides")
    parser.add_argument("--reason", metavar="T", help="why, in a sentence")
    parser.add_argument("--approver", metavar="B", help="who approved it, where the registry needs two people")
    add_json(parser)


VERBS: Final[dict[str, Verb]] = {
    "review": Verb(
        "--output OUT [options]",
        "list what waits for a person in a corpus, and record what the person decides",
        _arguments,
        _review,
        "rushes rights review --registry rights --output corpus",
    ),
}
"""The verbs, with what each does."""
