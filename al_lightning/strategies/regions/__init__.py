"""Strategies that ask for regions of images, and the functions on windows that they use."""
