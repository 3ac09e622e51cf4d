"""DataError: a file of a dataset that cannot be used."""

from __future__ import annotations


class DataError(ValueError):
    """A file of a dataset that cannot be used; the message names it and the remedy."""
