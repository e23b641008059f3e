"""The ledger's tables and the states of an attempt.

A request is what is asked for and never changes; an attempt is one paid call for it, and has a state. The next attempt
of a request exists only after somebody asked for it (`again`). Money is in integer micro-units of the currency of the
price list, and is held for an attempt before it is sent. Times are seconds since 1970.

What is counted rather than kept: how many of a lane are in flight, and how many were sent in the last minute. So no
counter can drift from the rows after a crash. What was spent is kept, in the same transaction as the rows it sums up.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

SCHEMA_VERSION: Final = 1
"""Version of these tables. A ledger of a newer one is refused."""

STATES: Final = {
    "planned": "not sent; `held` says why it can't be, where it can't",
    "submitting": "about to be sent, or being sent: the intent is durable, the money is held",
    "unknown": "its worker died while it was being sent: nobody knows whether a job exists",
    "submitted": "the engine took it, its job id is durable",
    "done": "the engine says that it is made; its cost is settled",
    "stored": "its file is here, whole",
    "refused": "the engine will not make this content",
    "failed": "the engine could not make it",
    "expired": "the engine no longer has it, or it was not sent in time",
    "blocked": "screened out when it was planned: never sent",
    "poisoned": "its prompt failed too often in the same way: never sent",
    "abandoned": "a person gave it up",
}
"""Every state of an attempt."""

IN_FLIGHT: Final = ("submitting", "submitted", "unknown")
"""States in which a job may be running at the engine."""
OPEN: Final = ("planned", "submitting", "unknown", "submitted", "done")
"""States that something can still become of."""

METADATA: Final = sa.MetaData()

requests: Final = sa.Table(
    "requests",
    METADATA,
    sa.Column("request_id", sa.String(32), primary_key=True),
    sa.Column("campaign", sa.Text, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("salt", sa.Text, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Index("requests_in_order", "campaign", "position"),
)
"""What is asked for, once a request: `attempts` is how many it may have, `body` the request as JSON."""

needs: Final = sa.Table(
    "needs",
    METADATA,
    sa.Column("request_id", sa.String(32), primary_key=True),
    sa.Column("needed", sa.String(32), primary_key=True),
    sa.Index("needs_needed", "needed"),
)
"""Which request needs the file of which other one."""

_HELD: Final = sa.text("held_by <> ''")
_CLAIMED: Final = sa.text("ticket <> ''")

attempts: Final = sa.Table(
    "attempts",
    METADATA,
    sa.Column("request_id", sa.String(32), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("campaign", sa.Text, nullable=False),
    sa.Column("cell", sa.Text, nullable=False),
    sa.Column("lane", sa.Text, nullable=False),
    sa.Column("prompt", sa.String(32), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("position", sa.BigInteger, nullable=False),
    sa.Column("expires", sa.Float(53)),
    sa.Column("worst_cost", sa.BigInteger, nullable=False),
    sa.Column("why", sa.Text, nullable=False, default=""),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("held", sa.Text, nullable=False, default=""),
    sa.Column("held_by", sa.String(32), nullable=False, default=""),
    sa.Column("waits", sa.Integer, nullable=False, default=0),
    sa.Column("worker", sa.Text, nullable=False, default=""),
    sa.Column("lease", sa.Float(53), nullable=False, default=0.0),
    sa.Column("ticket", sa.String(32), nullable=False, default=""),
    sa.Column("sends", sa.Integer, nullable=False, default=0),
    sa.Column("seed", sa.BigInteger, nullable=False, default=0),
    sa.Column("made_from", sa.Text, nullable=False, default="{}"),
    sa.Column("day", sa.String(10), nullable=False, default=""),
    sa.Column("reserved", sa.BigInteger, nullable=False, default=0),
    sa.Column("cost", sa.BigInteger, nullable=False, default=0),
    sa.Column("job_id", sa.Text, nullable=False, default=""),
    sa.Column("stuck", sa.Boolean, nullable=False, default=False),
    sa.Column("code", sa.Text, nullable=False, default=""),
    sa.Column("message", sa.Text, nullable=False, default=""),
    sa.Column("path", sa.Text, nullable=False, default=""),
    sa.Column("sha256", sa.String(64), nullable=False, default=""),
    sa.Column("bytes", sa.BigInteger, nullable=False, default=0),
    sa.Column("planned_at", sa.Float(53), nullable=False),
    sa.Column("sent_at", sa.Float(53), nullable=False, default=0.0),
    sa.Column("submitted_at", sa.Float(53), nullable=False, default=0.0),
    sa.Column("done_at", sa.Float(53), nullable=False, default=0.0),
    sa.Column("ended_at", sa.Float(53), nullable=False, default=0.0),
    sa.Index("attempts_ready", "campaign", "lane", "state", "held_by", "waits", "priority", "position"),
    sa.Index("attempts_state", "campaign", "state"),
    sa.Index("attempts_flying", "state", "lane"),
    sa.Index("attempts_sent", "lane", "sent_at"),
    sa.Index("attempts_prompt", "prompt", "state"),
    sa.Index("attempts_held", "campaign", "held_by", sqlite_where=_HELD, postgresql_where=_HELD),
    sa.Index("attempts_ticket", "ticket", sqlite_where=_CLAIMED, postgresql_where=_CLAIMED),
    sa.Index("attempts_job", "job_id"),
)
"""One paid call, sent or not.

`waits` counts the needed requests that have no file yet. `held_by` names what holds a planned one back (`campaign`,
`cell`, `day:DATE`, `plan`) or an unknown one (`person`), `held` says it in words. `worker` and `lease` say who has it
and until when; `ticket` names the claim. `made_from` says which attempts its inputs came from.
"""

IS_HELD: Final = attempts.c.held_by != sa.literal_column("''")
"""Something holds an attempt back: in these words the databases find it by an index of such rows alone."""
IS_CLAIMED: Final = attempts.c.ticket != sa.literal_column("''")
"""An attempt was sent: likewise."""

caps: Final = sa.Table(
    "caps",
    METADATA,
    sa.Column("campaign", sa.Text, primary_key=True),
    sa.Column("per", sa.String(8), primary_key=True),
    sa.Column("cap", sa.BigInteger, nullable=False),
)
"""Most that may be spent: in all, by each cell, on each day. No row: no limit."""

budgets: Final = sa.Table(
    "budgets",
    METADATA,
    sa.Column("campaign", sa.Text, primary_key=True),
    sa.Column("per", sa.String(8), primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("reserved", sa.BigInteger, nullable=False),
    sa.Column("settled", sa.BigInteger, nullable=False),
)
"""What is held and what was spent, of a campaign (name empty), a cell (its coordinates) and a day (its date, UTC)."""

lanes: Final = sa.Table(
    "lanes",
    METADATA,
    sa.Column("lane", sa.Text, primary_key=True),
    sa.Column("in_flight", sa.Integer, nullable=False),
    sa.Column("per_minute", sa.Integer, nullable=False),
    sa.Column("paused_until", sa.Float(53), nullable=False, default=0.0),
)
"""Limits of an engine's model and tier, over all workers."""

switches: Final = sa.Table(
    "switches",
    METADATA,
    sa.Column("campaign", sa.Text, primary_key=True),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("at", sa.Float(53), nullable=False),
)
"""Campaigns that are stopped: nothing new is sent."""

poison: Final = sa.Table(
    "poison",
    METADATA,
    sa.Column("prompt", sa.String(32), primary_key=True),
    sa.Column("why", sa.Text, nullable=False),
    sa.Column("at", sa.Float(53), nullable=False),
)
"""Prompts, with the model they were sent to, that failed too often in the same way."""

strays: Final = sa.Table(
    "strays",
    METADATA,
    sa.Column("job_id", sa.Text, primary_key=True),
    sa.Column("request_id", sa.String(32), primary_key=True),
    sa.Column("attempt", sa.Integer, primary_key=True),
    sa.Column("cost", sa.BigInteger, nullable=False),
    sa.Column("at", sa.Float(53), nullable=False),
)
"""Jobs that turned up for an attempt that has another one already: paid, counted, and told."""

schema_version: Final = sa.Table("schema_version", METADATA, sa.Column("version", sa.Integer, primary_key=True))


def lane_name(engine: str, model: str, tier: str) -> str:
    """The lane of an engine's model and tier: `ENGINE/MODEL/TIER`."""
    return f"{engine}/{model}/{tier}"
