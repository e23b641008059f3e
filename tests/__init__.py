"""Tests, in folders that mirror the packages one to one; they render their own footage."""
