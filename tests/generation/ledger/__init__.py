"""Tests of `generation.ledger`."""
