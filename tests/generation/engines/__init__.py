"""Tests of the `generation` package."""
