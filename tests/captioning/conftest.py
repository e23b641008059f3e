"""Fixtures of captioners: small models, trained once a process."""

from tests.captioning.smallmodels import small_coca, small_vlm

__all__ = ["small_coca", "small_vlm"]
