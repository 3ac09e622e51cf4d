"""The audit of a dataset: unreadable files, odd masks, and images of the test set that are also in the pool."""
