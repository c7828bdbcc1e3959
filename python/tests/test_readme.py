"""The Python of both READMEs runs and prints what they say."""

import pathlib
import re
import subprocess
import sys

import pytest

pytest.importorskip("numpy")
HERE = pathlib.Path(__file__).resolve().parent


@pytest.mark.parametrize("readme", [HERE.parent / "README.md", HERE.parent.parent / "README.md"], ids=["package", "project"])
def test_the_readmes_example_prints_what_stands_below_it(readme, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```\n\n(?:```text\n(.*?)```)?", readme.read_text("utf-8"), re.S)
    assert blocks
    for code, printed in blocks:
        done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        assert not printed or done.stdout == printed
