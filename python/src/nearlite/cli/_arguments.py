"""The arguments of the command."""

from __future__ import annotations

import argparse

from .. import _library
from . import _demo, _export, _import, _info, _recall, _search, _sql, _upkeep

_EPILOG = """examples:
  nearlite import docs.jsonl --db x.db
  nearlite search x.db docs --text "vector search" --where '{"year": {"$gte": 2004}}'
  nearlite recall x.db docs
"""


def parser() -> argparse.ArgumentParser:
    """The parser; each subcommand sets ``run``."""
    top = argparse.ArgumentParser(
        prog="nearlite",
        description="Vectors, full text and filters in one SQLite file.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="show the version and where the library is")
    commands = top.add_subparsers(metavar="COMMAND", required=True)

    add = commands.add_parser("import", help="rows of JSONL, CSV, Parquet or npy files, or of a sqlite-vec table, into a collection")
    add.add_argument("files", nargs="+", metavar="FILE", help="what to import; - is standard input (--format says what it is)")
    add.add_argument("--db", required=True, help="the database, made if it is not there")
    add.add_argument("--table", help="the collection, made if it is not there (default: the name of the file)")
    add.add_argument("--format", choices=["jsonl", "csv", "parquet", "npy"], help="the format, where the name of the file does not say it")
    add.add_argument("--from-vec0", action="store_true", help="FILE is a database and a second argument the name of a table of sqlite-vec in it")
    add.add_argument("--id", metavar="COLUMN", help="the column that is the key (default: id, _id, key or uuid; else ids are made up)")
    add.add_argument("--text", metavar="COLUMNS", help="columns that are full text, by commas (default: columns with texts of several words)")
    add.add_argument("--vector", metavar="COLUMN", help="the column that is the vector (default: the one with lists of numbers)")
    add.add_argument("--columns", metavar="NAME:TYPE,...", help="declared columns of type text, int, real or bool; other keys are JSON metadata")
    add.add_argument("--vectors", metavar="FILE.npy", help="vectors for the rows, in their order")
    add.add_argument("--embed", metavar="URL|MODULE:FUNCTION", help="embeds the first text column, by an endpoint (with --model) or a function")
    add.add_argument("--model", help="the model of the vectors")
    add.add_argument("--metric", choices=["cosine", "l2", "ip"], help="the distance (default: cosine)")
    add.add_argument("--tokenizer", help="how texts become words, en_stem for example")
    add.add_argument("--batch", type=int, default=1000, metavar="ROWS", help="rows of one transaction (default: 1000)")
    add.add_argument("--resume", action="store_true", help="skips rows whose id is there: goes on where an import was stopped")
    add.add_argument("--dry-run", action="store_true", help="shows the schema and stops")
    add.set_defaults(run=_import.run)

    search = commands.add_parser("search", help="the best rows for a vector, for words, for both")
    _target(search)
    search.add_argument("--text", metavar="WORDS", help="words, as a person types them; with --embed their vector is searched too")
    search.add_argument("--query", help='a text in the query language: +must -not "a phrase" pre*')
    search.add_argument("--vector", metavar="FILE|JSON", help="a .npy file, a file with a JSON array, or the array itself")
    search.add_argument("--like", metavar="ID", help="rows like this one")
    search.add_argument("--like-by", choices=["vector", "text", "both"], help="by what of it; its vector, if the table has one")
    search.add_argument("--where", help="a filter: SQL, or a dictionary in JSON")
    search.add_argument("-k", type=int, default=10, help="how many rows (default: 10)")
    search.add_argument("--offset", type=int, default=0)
    search.add_argument("--alpha", type=float, help="weight of the vector in a hybrid search, 0 to 1")
    search.add_argument("--mmr", type=float, help="diversity: 0 is diverse, 1 is relevant")
    search.add_argument("--group-by", metavar="COLUMN", help="the best row for each value")
    search.add_argument("--embed", metavar="URL|MODULE:FUNCTION", help="what embeds --text")
    search.add_argument("--model", help="the model of the endpoint (default: the model of the collection)")
    search.add_argument("--explain", action="store_true", help="shows how the search was run")
    _json(search)
    search.set_defaults(run=_search.run)

    info = commands.add_parser("info", help="collections, their columns, counts and sizes")
    info.add_argument("db")
    info.add_argument("table", nargs="?")
    _json(info)
    info.set_defaults(run=_info.run)

    recall = commands.add_parser("recall", help="recall against the breadth of the search, as a chart")
    _target(recall)
    recall.add_argument("--sample", type=int, default=100, help="stored rows that are queries (default: 100)")
    recall.add_argument("-k", type=int, default=10, help="rows of each search (default: 10)")
    recall.add_argument("--ef", default="16,32,64,128,256", help="breadths to try (default: %(default)s)")
    recall.add_argument("--column", help="the vector column")
    _json(recall)
    recall.set_defaults(run=_recall.run)

    for name, text in _upkeep.COMMANDS.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("db")
        command.add_argument("table", nargs="?", help="the collection (default: all)")
        command.set_defaults(run=_upkeep.run, command=name)

    export = commands.add_parser("export", help="rows as JSONL, Parquet or npy")
    _target(export)
    export.add_argument("--format", choices=["jsonl", "parquet", "npy"], help="default: what the name of the output says, else jsonl")
    export.add_argument("-o", "--output", default="-", metavar="FILE", help="default: standard output")
    export.add_argument("--where", help="a filter: SQL, or a dictionary in JSON")
    export.add_argument("--no-vectors", action="store_true", help="leaves the vectors out")
    export.set_defaults(run=_export.run)

    sql = commands.add_parser("sql", help="runs SQL; - reads it from standard input")
    sql.add_argument("db")
    sql.add_argument("sql")
    sql.add_argument("params", nargs="*", help="values for the question marks")
    _json(sql)
    sql.set_defaults(run=_sql.run)

    demo = commands.add_parser("demo", help="a tour in a minute")
    demo.add_argument("--db", default=":memory:", help="a file to keep (default: in memory)")
    demo.set_defaults(run=_demo.run)
    return top


def _target(command: argparse.ArgumentParser) -> None:
    command.add_argument("db")
    command.add_argument("table")


def _json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="one JSON object a line")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from .. import __version__

        print(f"nearlite {__version__} ({_library.loadable_path()})")
        parser.exit(0)
