"""One file a dataset: its `INFO` (source, licence, citation, layout) and the function that reads it."""
