"""Rights: the commands of the rights team, `rushes rights VERB`.

Every verb is a line in a table of `Verb`s; this module makes the command lines of them and hands over.
"""

from __future__ import annotations

from collections.abc import Sequence

from pipelines import (
    options,
    rights_answers,
    rights_explain,
    rights_gc,
    rights_impact,
    rights_lists,
    rights_prompts,
    rights_recheck,
    rights_review,
    rights_statement,
)
from pipelines.rights_words import Verb

DESCRIPTION = "The registry of rights: who said no, who said yes, since when, and what follows from it."
EPILOG = """\
examples:
  rushes rights template list.xlsx
  rushes rights validate list.xlsx
  rushes rights publish list.xlsx --registry rights --author "legal" --reason "letter of 3 March"
  rushes rights explain "The Film" --registry rights

`rushes rights VERB --help` explains one. RUSHES_RIGHTS names the registry where --registry is not given."""

VERBS: dict[str, Verb] = {
    **rights_lists.VERBS,
    **rights_impact.VERBS,
    **rights_review.VERBS,
    **rights_prompts.VERBS,
    **rights_recheck.VERBS,
    **rights_statement.VERBS,
    **rights_answers.VERBS,
    **rights_gc.VERBS,
    **rights_explain.VERBS,
}
"""Every verb."""


def parser() -> options.Parser:
    """The command line."""
    made = options.Parser(
        prog="rushes rights", description=DESCRIPTION, epilog=EPILOG, usage="rushes rights VERB [options]"
    )
    verbs = made.add_subparsers(dest="verb", metavar="VERB", title="verbs", help="what to do")
    for name, verb in VERBS.items():
        examples = "\n".join(f"  {line}" for line in verb.examples.splitlines())
        one = verbs.add_parser(
            name,
            help=verb.summary,
            description=verb.summary[:1].upper() + verb.summary[1:] + ".",
            usage=f"rushes rights {name} {verb.usage}".strip(),
            epilog=f"examples:\n{examples}" if examples else None,
        )
        verb.arguments(one)
        one.set_defaults(run=verb.run)
    return made


def run(argv: Sequence[str]) -> int:
    """Run the command; returns the exit code: 1 where a list has errors or nothing was found, 3 where a prompt is
    refused or was not checked.

    Raises:
        ConfigError: Wrong usage, no such registry, or a damaged one.
    """
    made = parser()
    words = made.parse_args(list(argv))
    if words.verb is None:
        made.print_help()
        return 2
    return int(words.run(words))
