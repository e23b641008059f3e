"""Tests of the `filters` package."""
