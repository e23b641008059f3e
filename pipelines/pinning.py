"""Pinning: the version of the registry that a whole job goes by, settled when it is launched."""

from __future__ import annotations

import dataclasses

from filters.rights import matching, policy, registry
from pipelines import asking
from pipelines.config import Config
from transforms import storage, tables
from transforms.settings import ConfigError


def pinned(config: Config, root: str) -> Config:
    """The configuration with the version of the registry that the whole job goes by, compiled for its workers.

    Args:
        config: The job's.
        root: Its output folder.

    Raises:
        ConfigError: The registry cannot be read, or what was screened before would be let in by not screening.
    """
    asking.check(config)
    rights = config.rights
    if rights.rights is None:
        there_already = storage.exists(storage.join(storage.normalise(root), "corpus.json"))
        if there_already and tables.read(tables.open_corpus(root), "verdicts", columns=["use"]).num_rows:
            raise ConfigError(
                f"{storage.redact(root)} was screened with a registry before: give --rights, or what it refuses would"
                " be let in"
            )
        return config
    there = registry.open_registry(rights.rights)
    state = registry.version(there, rights.rights_version)
    if not state.number:
        raise ConfigError(f"--rights {storage.redact(there.root)}: nothing was published there yet: nothing is let in")
    matching.compile_version(there, state)
    return dataclasses.replace(config, rights=policy.pinned(rights, there.root, state.number))
