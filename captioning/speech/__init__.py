"""Speech: where a voice is, what is said, and what else is heard."""
