"""Animatics: timed previews of shots, drawn on the CPU without any model, for the engine of that name."""
