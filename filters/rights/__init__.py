"""Rights: who said no, who said yes, and what follows from it."""
