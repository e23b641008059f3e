"""Settings of a worker that does what a ledger has to do."""

from __future__ import annotations

import dataclasses

from generation.ledger.reconciling import GRACE
from generation.ledger.transitions import POISON_AFTER
from transforms.settings import setting


@dataclasses.dataclass(frozen=True, kw_only=True)
class DriveSettings:
    """How a worker goes about it. None of it changes what is made."""

    in_flight: int = setting(200, "Most jobs that this worker follows at once", low=1, high=100_000, scale=True)
    fetches: int = setting(8, "Most files that it fetches at once", low=1, high=1000, scale=True)
    lease: float = setting(
        30.0, "Time without a sign of life after which others take over its jobs", unit="s", low=0.2, scale=True
    )
    submit_limit: float = setting(120.0, "Longest that one submit may take", unit="s", low=0.1, scale=True)
    poll_limit: float = setting(60.0, "Longest that one question after a job may take", unit="s", low=0.1, scale=True)
    fetch_limit: float = setting(1800.0, "Longest that one fetch of a file may take", unit="s", low=0.1, scale=True)
    job_limit: float = setting(
        7200.0,
        "Age of a job at which it counts as stuck; it is told, and still asked after",
        unit="s",
        low=0.1,
        scale=True,
    )
    poll_least: float = setting(
        0.05, "Shortest time between two questions after a job", unit="s", low=0.001, scale=True
    )
    poll_most: float = setting(30.0, "Longest time between two questions after a job", unit="s", low=0.01, scale=True)
    wait_most: float = setting(60.0, "Longest pause after an engine did not answer", unit="s", low=0.01, scale=True)
    grace: float = setting(
        GRACE, "Time after which a call in doubt has arrived, or never will", unit="s", low=0.0, scale=True
    )
    patience: float = setting(
        1800.0,
        "Time without any answer after which an engine is left alone until the next run",
        unit="s",
        low=0.0,
        scale=True,
    )
    invalid: int = setting(
        5, "Requests in a row that an engine calls wrong, after which the campaign is stopped", low=1, scale=True
    )
    poison_after: int = setting(
        POISON_AFTER, "Like failures of one prompt, after which it is sent no more", low=1, scale=True
    )
