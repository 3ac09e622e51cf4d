"""Metrics of whole sets: of pixels (`dense`) and of objects (`objects`)."""
