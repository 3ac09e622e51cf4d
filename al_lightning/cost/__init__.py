"""The cost of annotation. This file imports nothing, so that a report does not load torch."""
