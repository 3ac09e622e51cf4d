"""The audit of a dataset behind `al-lightning check`."""
