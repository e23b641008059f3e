"""What a Beam worker installs (`--setup_file ./setup.py`); metadata and packages stand in pyproject.toml."""

from setuptools import setup

setup()
