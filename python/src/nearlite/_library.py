"""The library file, and which copy of it each SQLite of this process gets.

A loaded library calls one SQLite only, that of the connection which loaded it first. A second SQLite in the process, as
apsw brings one, therefore loads a copy of the file.
"""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
import threading

_SUFFIX = {"darwin": ".dylib", "win32": ".dll"}.get(sys.platform, ".so")
_FILE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "nearlite" + _SUFFIX)

_lock = threading.Lock()
_copies: dict[str, str] = {}


def loadable_path() -> str:
    """Returns the path of the extension, for ``load_extension()`` and for other programs."""
    return _FILE


def copy_for(host: str) -> str:
    """Returns the path of a copy of the library for the SQLite of the module ``host``; the same one at each call."""
    with _lock:
        path = _copies.get(host)
        if path is None:
            folder = tempfile.mkdtemp(prefix="nearlite-")
            # The folder goes at the end; where a loaded library cannot be deleted, it stays.
            atexit.register(shutil.rmtree, folder, ignore_errors=True)
            path = os.path.join(folder, os.path.basename(_FILE))
            shutil.copyfile(_FILE, path)
            _copies[host] = path
        return path
