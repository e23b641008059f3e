"""Approvals: what `rushes approve` and `rushes reject` have in common."""

from __future__ import annotations

import getpass
from collections.abc import Iterator, Sequence
from typing import Any, Final

from generation import approvals
from generation.approvals import Approval
from pipelines import options
from pipelines.columns import columns, readable, say
from transforms import storage, tables
from transforms.settings import ConfigError
from transforms.store import Store

_DESCRIPTION: Final = """\
{what} finished files of a campaign. ASSET is an id or its beginning, a name, or a cell, which means all of its files;
without one, how every file stands is shown. The decision is about the file as it is now: one that is made anew has to
be decided on anew. All decisions stay in OUT/generation/approvals.jsonl; the last one counts."""
_SHORTEST: Final = 6  # characters of the beginning of an id


def parser(verb: str) -> options.Parser:
    """The command line of `approve` or `reject`."""
    made = options.Parser(
        prog=f"rushes {verb}",
        description=_DESCRIPTION.format(what=verb.capitalize()),
        usage=f"rushes {verb} OUT [ASSET ...] {'[--why TEXT]' if verb == 'approve' else '--why TEXT'} [--who NAME]",
    )
    made.add_argument("output", metavar="OUT", help="an output folder")
    made.add_argument("assets", nargs="*", metavar="ASSET", help="an id or its beginning, a name, or a cell")
    made.add_argument(
        "--why", default="", metavar="TEXT", help="the reason" + ("" if verb == "approve" else "; needed")
    )
    made.add_argument("--who", default="", metavar="NAME", help="who decides [default the user of this machine]")
    return made


def run(verb: str, argv: Sequence[str]) -> int:
    """Run one of the two commands; returns the exit code.

    Raises:
        ConfigError: No such output or asset, no reason for a rejection, or a file that is not the one of its row.
    """
    words = parser(verb).parse_args(list(argv))
    corpus = tables.open_corpus(words.output)
    approvals.path_of(corpus.root)
    rows = tables.read(corpus, "assets").to_pylist()
    if not words.assets:
        _show(corpus.root, rows)
        return 0
    if verb == "reject" and not words.why.strip():
        raise ConfigError("--why: say why, so that who makes it again knows what to change")
    chosen = {row["asset_id"]: row for asset in words.assets for row in _found(asset, rows)}
    for row in chosen.values():
        if row["withdrawn"] or not row["uri"]:
            raise ConfigError(f"{row['asset_id']}: withdrawn ({row['withdrawn']}): there is nothing to decide")
        _check(Store(corpus.root).uri(row["uri"]), row)
    who, at = words.who or getpass.getuser(), approvals.now()
    approvals.add(
        corpus.root,
        [
            Approval(
                asset_id=row["asset_id"],
                sha256=row["sha256"],
                verdict=verb,
                who=who,
                at=at,
                why=words.why.strip(),
                cell=row["cell"],
            )
            for row in chosen.values()
        ],
    )
    said = "approved" if verb == "approve" else "rejected"
    say(f"{len(chosen)} {'file' if len(chosen) == 1 else 'files'} {said} by {readable(who)}")
    return 0


def _found(asset: str, rows: Sequence[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows that a word names.

    Raises:
        ConfigError: None, or a beginning of several ids.
    """
    same = [row for row in rows if asset in (row["asset_id"], row["name"], row["cell"])]
    if not same and len(asset) >= _SHORTEST:
        same = [row for row in rows if row["asset_id"].startswith(asset)]
        if len(same) > 1:
            raise ConfigError(f"{asset}: {len(same)} assets begin so; give more of the id")
    if not same:
        raise ConfigError(f"{asset}: no such asset, name or cell; `rushes approve OUT` shows them all")
    yield from same


def _check(uri: str, row: dict[str, Any]) -> None:
    if approvals.sha256_of(uri) != row["sha256"]:
        raise ConfigError(f"{storage.redact(uri)}: not the file of its row in `assets`; make it again")


def _show(root: str, rows: Sequence[dict[str, Any]]) -> None:
    files = {row["asset_id"]: row["sha256"] for row in rows if not row["withdrawn"]}
    decisions = approvals.read(root)
    stand = approvals.standings(decisions, files)
    last = {one.asset_id: one for one in decisions}
    cells = []
    for row in rows:
        decided = last.get(row["asset_id"])
        cells.append(
            [
                row["asset_id"],
                readable(row["name"]),
                stand.get(row["asset_id"], "withdrawn"),
                readable(decided.who) if decided else "",
                decided.at if decided else "",
                readable(decided.why) if decided else "",
            ]
        )
    say(columns(("asset", "name", "stands", "who", "when", "why"), cells, wrap=("why",)))
