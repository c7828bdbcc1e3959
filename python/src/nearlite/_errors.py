"""The exception of this package."""


class LoadError(Exception):
    """nearlite could not be loaded into a connection; the message says why and what to do."""
