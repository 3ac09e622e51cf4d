"""Metrics over whole sets of images: of pixels (`dense`) and of objects (`objects`)."""
