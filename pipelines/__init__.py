"""Jobs: one Beam job a file, their options, the command line, and the report of a run."""

import logging

# Beam says at import that the BigQuery client of its `gcp` extra is absent. No job uses it.
logging.getLogger().addFilter(lambda record: "apitools not found" not in str(record.msg))
