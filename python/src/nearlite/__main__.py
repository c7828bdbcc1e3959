"""``python -m nearlite`` is the command ``nearlite``."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
