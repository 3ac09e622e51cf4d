"""What annotation costs. This file imports nothing, so that a report need not load torch."""
