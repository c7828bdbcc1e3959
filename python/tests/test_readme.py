"""The Python of both READMEs runs and prints what they say."""

import contextlib
import io
import pathlib
import re

import pytest

pytest.importorskip("numpy")
HERE = pathlib.Path(__file__).resolve().parent


@pytest.mark.parametrize("readme", [HERE.parent / "README.md", HERE.parent.parent / "README.md"], ids=["package", "project"])
def test_the_readmes_example_prints_what_stands_below_it(readme, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```\n\n(?:```text\n(.*?)```)?", readme.read_text("utf-8"), re.S)
    assert blocks
    for code, printed in blocks:
        out = io.StringIO()
        with contextlib.redirect_stdout(out):
            exec(compile(code, str(readme), "exec"), {"__name__": "readme"})
        assert not printed or out.getvalue() == printed
