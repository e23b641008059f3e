"""Engines: what makes videos. An engine is one file and one line in `engine.ENGINES`."""
