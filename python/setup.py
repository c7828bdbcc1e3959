"""One wheel for every Python 3 of a platform: the library inside knows SQLite, not Python."""

import os
import pathlib

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

HERE = pathlib.Path(__file__).resolve().parent


class WithLibrary(Distribution):
    def has_ext_modules(self):
        return True


class PlatformWheel(bdist_wheel):
    def get_tag(self):
        # scripts/release.sh says which glibc the library was linked for; without it only this machine is known to do.
        platform = os.environ.get("NEARLITE_PLATFORM") or super().get_tag()[2]
        return "py3", "none", platform

    def run(self):
        if not any(HERE.glob("src/nearlite/nearlite.*")):
            raise SystemExit("python/src/nearlite/ has no library: build the wheel with scripts/wheel.sh or scripts/release.sh")
        super().run()


setup(distclass=WithLibrary, cmdclass={"bdist_wheel": PlatformWheel})
