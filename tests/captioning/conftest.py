"""Fixtures of captioners: small models, trained once a process, and a real server of one."""

from tests.captioning.served import served
from tests.captioning.smallmodels import small_coca, small_vlm

__all__ = ["served", "small_coca", "small_vlm"]
