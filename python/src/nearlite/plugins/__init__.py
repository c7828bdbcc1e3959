"""Entry points of other programs."""
