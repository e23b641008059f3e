"""Tests of the `captioning` package."""
