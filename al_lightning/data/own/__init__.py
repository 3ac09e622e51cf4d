"""A user's own data, as it lies: where images and targets are, what belongs together, and what a CSV says."""
