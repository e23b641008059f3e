"""Tests of the drawing of animatics."""
