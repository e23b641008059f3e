"""Filters: what is kept out, and why. Quality decides from measures; rights, safety and duplicates follow."""
