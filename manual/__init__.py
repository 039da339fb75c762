"""The documentation site: pages by hand from `docs/`, and a reference that is made from the code."""
