"""Replaces what stands between two marks of a page."""

import re


def between(page, name, text):
    """Puts `text` between the lines `<!-- NAME: begin -->` and `<!-- NAME: end -->` of the file `page`."""
    old = page.read_text()
    marked = re.compile(rf"(<!-- {name}: begin -->\n).*?(\n<!-- {name}: end -->)", re.DOTALL)
    if not marked.search(old):
        raise SystemExit(f"{page} has no marks for {name}")
    page.write_text(marked.sub(lambda found: found[1] + text + found[2], old))
