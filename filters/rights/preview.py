"""Preview: a registry as it would be if a list were published, made beside it and thrown away."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pyarrow as pa

from filters.rights import publishing, registry
from filters.rights.registry import Registry, Version
from transforms import storage


def preview(held: Registry, base: Version, rows: Mapping[str, Iterable[pa.RecordBatch]], folder: str) -> Registry:
    """A copy of a registry, with rows published on top of a version.

    Args:
        held: The registry.
        base: The version; later ones are not copied.
        rows: New rows by table, as `publishing.publish` takes them.
        folder: An empty local folder.

    Returns:
        The copy. Its latest version is the preview; the one before is `base`.

    Raises:
        RegistryError: The registry is damaged.
        ConfigError: The rows cannot be published.
    """
    made = registry.create(folder)
    with registry.told(held, "copying it"):
        for number in range(1, base.number + 1):
            data = storage.read_bytes(registry.version_uri(held, number))
            storage.write_bytes(registry.version_uri(made, number), data)
        for table, parts in base.parts.items():
            for part in parts:
                place = ("tables", table, *part.path.split("/"))
                storage.write_bytes(made.uri(*place), storage.read_bytes(held.uri(*place)))
    publishing.publish(made, rows, base=base.number, author="preview", reason="preview")
    return made
