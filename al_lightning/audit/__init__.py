"""The audit of a dataset: files that cannot be read, odd targets, and images of the test set that are in the pool."""
