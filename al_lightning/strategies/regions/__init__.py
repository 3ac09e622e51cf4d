"""Strategies that ask for regions of images."""
