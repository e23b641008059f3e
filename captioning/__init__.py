"""Captioning: text about clips. A captioner is one file and one line; it names itself and its settings in every row."""
