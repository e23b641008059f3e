"""Row rules: what the cells of one row must say together, and the records that a good row becomes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from filters.rights.columns import COLUMNS, CellError, value_of
from filters.rights.records import LIKENESS, REFUSALS, USES, WORLD, identifier_id, statement_id

_GROUPS: Final = {
    group: [column.name for column in COLUMNS if column.group == group]
    for group in ("party", "work", "identifier", "statement")
}
_GROUP_OF: Final = {column.name: column.group for column in COLUMNS}
_LEADS: Final = {
    "party": ("party_name", "party_kind"),
    "work": ("title", "work_kind"),
    "identifier": ("identify_by", "value"),
    "statement": ("statement",),
}
_ONLY: Final = {
    "products": ("grant",),
    "languages": ("grant",),
    "recipients": ("grant",),
    "share_bp": ("grant",),
    "revocation_effect": ("revoke",),
    "target": ("revoke", "dispute"),
    "subject": ("exclude",),
}
_NEEDS: Final = {
    "grant": ("work", "uses", "territory", "evidence"),
    "revoke": ("work", "revocation_effect"),
    "exclude": ("work", "subject"),
    "dispute": ("work",),
}
_TEXT_ONLY: Final = ("aliases", "negative_contexts", "language")

Problem = tuple[str, Any, str]
"""Column, value, remedy."""


def problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong with a row whose cells can be read, each by itself.

    Args:
        values: The cells that are not blank, by column, as their columns parse them.
    """
    there = sorted({_GROUP_OF[name] for name in values} - {""})
    if not there:
        yield "", ", ".join(values), "the row says nothing: name a party or a work, an identifier or a statement"
    for group in there:
        for name in _LEADS[group]:
            if name not in values:
                said = next(n for n in _GROUPS[group] if n in values)
                yield name, "", f"blank, though {said} is given: fill it, or leave both blank"
    if "party" not in values and ("party" in there or "statement" in there):
        yield "party", "", "blank: whose name, or whose word, is it?"
    if "work" not in values and ("work" in there or "identifier" in there):
        yield "work", "", "blank: give the id of the work"
    if "identify_by" in values and "value" in values:
        yield from _identifier_problems(values)
    if "statement" in values:
        yield from _statement_problems(values)
    if values.get("parent") is not None and values.get("parent") == values.get("work"):
        yield "parent", values["parent"], "a work is no part of itself"
    if values.get("minor") and values.get("work_kind") not in (None, "person"):
        yield "minor", "yes", "only a person can be a minor: work_kind is person"


def _identifier_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    kind = values["identify_by"]
    try:
        value_of(kind, values["value"])
    except CellError as error:
        yield "value", values["value"], str(error)
    for name in _TEXT_ONLY:
        if name in values and kind != "text":
            yield name, values[name], "only a text has it: leave it blank"
    if kind in LIKENESS and values.get("component") not in (None, kind, "likeness"):
        yield "component", values["component"], f"a {kind} recognises a {kind}: leave it blank"


def _statement_problems(values: Mapping[str, Any]) -> Iterator[Problem]:
    mode = values["statement"]
    for name in _NEEDS.get(mode, ()):
        if name not in values:
            yield name, "", f"blank: a {mode} needs it"
    for name, modes in _ONLY.items():
        if name in values and mode not in modes:
            yield name, values[name], f"only a {' or a '.join(modes)} has it: leave it blank"
    if "from" in values and "until" in values and values["from"] >= values["until"]:
        yield "until", values["until"].date(), "before the first day: exchange from and until"
    if values.get("supersedes") is not None and values.get("supersedes") == values.get("statement_id"):
        yield "supersedes", values["supersedes"], "a statement does not replace itself"


def rows_of(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The records that a good row becomes, by table, without their stamps."""
    found: dict[str, dict[str, Any]] = {}
    if "party_name" in values:
        found["parties"] = {
            "party_id": values["party"],
            "name": values["party_name"],
            "kind": values["party_kind"],
            "verified_by": values.get("verified_by"),
            "verified_on": values.get("verified_on"),
            "represented_by": values.get("represented_by"),
        }
    if "title" in values:
        found["works"] = {
            "work_id": values["work"],
            "title": values["title"],
            "kind": values["work_kind"],
            "parent": values.get("parent"),
            "owners": values.get("owners"),
            "minor": values.get("minor", False),
        }
    if "value" in values:
        kind, value = values["identify_by"], value_of(values["identify_by"], values["value"])
        component = values.get("component") or (kind if kind in LIKENESS else None)
        found["identifiers"] = {
            "identifier_id": identifier_id(values["work"], kind, value),
            "work_id": values["work"],
            "kind": kind,
            "value": value,
            "aliases": values.get("aliases"),
            "negative_contexts": values.get("negative_contexts"),
            "language": values.get("language"),
            "component": component,
            "withdrawn": values.get("withdrawn", False),
        }
    if "statement" in values:
        found["statements"] = _statement(values)
    return found


def _statement(values: Mapping[str, Any]) -> dict[str, Any]:
    # A refusal that says nothing of uses and places is meant for all; so is who disputes or says what is not meant.
    refuses = values["statement"] in (*REFUSALS, "exclude", "dispute")
    row = {
        "party_id": values["party"],
        "through": values.get("through"),
        "mode": values["statement"],
        "work_id": values.get("work"),
        "uses": values.get("uses") or (list(USES) if refuses else []),
        "territories": list(values.get("territory") or ((WORLD,) if refuses else ())),
        "components": values.get("components"),
        "products": values.get("products"),
        "languages": values.get("languages"),
        "recipients": values.get("recipients"),
        "valid_from": values.get("from"),
        "valid_until": values.get("until"),
        "share_bp": values.get("share_bp"),
        "revocation_effect": values.get("revocation_effect"),
        "target": values.get("target"),
        "subject": values.get("subject"),
        "supersedes": values.get("supersedes"),
        "evidence": values.get("evidence"),
        "note": values.get("note"),
    }
    return {"statement_id": values.get("statement_id") or statement_id(row), **row}


def references(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What a row speaks of without describing it: table, column, id."""
    if "party" in values and "party_name" not in values:
        yield "parties", "party", values["party"]
    if "work" in values and "title" not in values:
        yield "works", "work", values["work"]
    for name in values.get("owners", ()):
        yield "parties", "owners", name
    for name in values.get("represented_by", ()):
        yield "parties", "represented_by", name
    if "through" in values:
        yield "parties", "through", values["through"]
    if "parent" in values:
        yield "works", "parent", values["parent"]
    for name in ("target", "supersedes"):
        if name in values:
            yield "statements", name, values[name]
