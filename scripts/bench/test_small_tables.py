"""python3 -m unittest discover -s scripts/bench"""

import contextlib
import io
import os
import pathlib
import unittest

import small_tables

DIST = pathlib.Path(__file__).resolve().parents[2] / "sqlite-ext" / "dist"
BUILT = [pathlib.Path(os.environ.get("NEARLITE_EXTENSION", "none")), DIST / "dev" / "nearlite", DIST / "nearlite"]


class Test(unittest.TestCase):
    def test_a_short_run(self):
        extension = next((path for path in BUILT if path.with_suffix(".so").exists()), None)
        if extension is None:
            self.skipTest("no extension is built")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            small_tables.main([str(extension), "--tables", "3", "--rounds", "1"])
        lines = out.getvalue().splitlines()
        self.assertEqual(len(lines), 4 + 2 * len(small_tables.KINDS))
        self.assertIn("nearlite", lines[4])


if __name__ == "__main__":
    unittest.main()
