"""The README's example prints what stands below it."""

import pathlib
import re
import runpy


def test_the_readme(tmp_path, monkeypatch, capsys):
    text = (pathlib.Path(__file__).resolve().parents[1] / "README.md").read_text("utf-8")
    code, printed = re.search(r"```python\n(.*?)```\n\n```text\n(.*?)```", text, re.S).groups()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "example.py").write_text(code)
    runpy.run_path("example.py")
    assert capsys.readouterr().out == printed
