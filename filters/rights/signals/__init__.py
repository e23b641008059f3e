"""Signals: what owners say in machine-readable form, beside footage and inside it."""
