"""Tests of the `/v1/videos` format."""
