"""The workbench: a page on this machine with a rule's text, its verdicts, its numbers and its map side by side."""
