"""The words of a text: terms, stems, names, and which of them say something."""
