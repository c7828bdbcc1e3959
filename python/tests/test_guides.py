"""Every code block of the guides runs, and prints what stands below it."""

import contextlib
import io
import pathlib
import re
import shlex

import pytest

import nearlite
from nearlite.cli import main

DOCS = pathlib.Path(__file__).resolve().parents[2] / "docs"
PAGES = [DOCS / "python.md", *sorted((DOCS / "guides").glob("*.md"))]
READMES = [DOCS.parent / "README.md", DOCS / "README.md"]


def blocks(text):
    """Language, code and the output that stands below it or None."""
    for found in re.finditer(r"```(\w+)\n(.*?)```(?:\n\n```text\n(.*?)```)?", text, re.S):
        yield found[1], found[2], found[3]


def shown(rows):
    return "".join("|".join("" if value is None else str(value) for value in row) + "\n" for row in rows)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_blocks_of_a_page(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = page.read_text("utf-8")
    for module in ("langchain_nearlite", "llama_index.vector_stores.nearlite", "sqlalchemy"):
        if f"from {module}" in text or f"import {module}" in text:
            pytest.importorskip(module)
    names, db = {"__name__": "guide"}, nearlite.connect(":memory:")
    for language, code, expected in blocks(text):
        printed = io.StringIO()
        if language == "python":
            with contextlib.redirect_stdout(printed):
                exec(compile(code, str(page), "exec"), names)
        elif language == "sql":
            for statement in filter(str.strip, re.sub(r"--[^\n]*", "", code).split(";")):
                printed.write(shown(db.execute(statement)))
        elif language == "sh":
            for line in code.splitlines():
                if line.startswith("nearlite "):
                    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(io.StringIO()) as errors:
                        assert main(shlex.split(line)[1:]) == 0, (line, errors.getvalue())
                else:
                    assert not line or line.startswith("#"), line
        else:
            # The Rust of the pages is run by `cargo test --doc`.
            assert language in ("text", "rust", "toml"), language
        assert expected is None or printed.getvalue() == expected
    db.close()


def test_every_guide_is_listed():
    listed = (DOCS / "guides" / "README.md").read_text("utf-8")
    assert [page.name for page in PAGES if page.parent.name == "guides" and page.name != "README.md" and f"({page.name})" not in listed] == []


def test_the_links_of_the_guides_lead_somewhere():
    for page in [*PAGES, *READMES]:
        for target, anchor in re.findall(r"\]\(([^)#:]*)(#[^)]*)?\)", page.read_text("utf-8")):
            found = (page.parent / target).resolve() if target else page
            assert found.exists(), (page.name, target)
            if anchor and found.suffix == ".md":
                headings = re.findall(r"^#+ (.*)$", found.read_text("utf-8"), re.M)
                assert anchor[1:] in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings], (page.name, anchor)
