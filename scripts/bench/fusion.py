"""How well formulas of hybrid search rank: nDCG@10 on judged collections.

    fusion.py EXTENSION DATA SET...          formulas, computed here from both legs
    fusion.py EXTENSION DATA SET... --engine OPTIONS...   hybrid_query with each JSON object of options

DATA holds a folder for each SET with corpus.jsonl, queries.jsonl, qrels.tsv, query_ids.json, base.f16.npy, query.f16.npy, and
weak.base.f16.npy, weak.query.f16.npy of a weaker model. The text leg is the engine's BM25 with `en_stem` over title and text.
"""

import json
import sqlite3
import sys
from pathlib import Path

import numpy as np

K = 10


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


class Judged:
    """One judged collection under one model, in a table."""

    def __init__(self, extension, folder, model):
        prefix = "" if model == "main" else "weak."
        load = lambda name: np.load(folder / f"{prefix}{name}.f16.npy").astype(np.float32)
        base, query = load("base"), load("query")
        self.base = base / np.maximum(np.linalg.norm(base, axis=1, keepdims=True), 1e-9)
        self.query = query / np.maximum(np.linalg.norm(query, axis=1, keepdims=True), 1e-9)
        corpus = lines(folder / "corpus.jsonl")
        row_of = {str(row["_id"]): at for at, row in enumerate(corpus)}
        texts = {str(row["_id"]): row["text"] for row in lines(folder / "queries.jsonl")}
        self.judged = {}
        for line in (folder / "qrels.tsv").read_text().splitlines():
            parts = line.split("\t")
            if parts[0] in texts and float(parts[-1]) > 0 and parts[-2] in row_of:
                self.judged.setdefault(parts[0], {})[row_of[parts[-2]]] = float(parts[-1])
        ids = [str(one) for one in json.loads((folder / "query_ids.json").read_text())]
        self.queries = [(one, texts[one], at) for at, one in enumerate(ids) if one in self.judged]
        self.db = sqlite3.connect(":memory:")
        self.db.enable_load_extension(True)
        self.db.load_extension(extension)
        dim = self.base.shape[1]
        self.db.execute(
            f"CREATE VIRTUAL TABLE d USING nearlite(title TEXT FULLTEXT, body TEXT FULLTEXT, e VECTOR({dim}), tokenizer = 'en_stem')"
        )
        rows = ((at, row.get("title", ""), row["text"], self.base[at].tobytes()) for at, row in enumerate(corpus))
        self.db.executemany("INSERT INTO d(rowid, title, body, e) VALUES(?, ?, ?, ?)", rows)
        self.mean = self.base.mean(axis=0)

    def ndcg(self, query, ranked):
        grades = self.judged[query]
        gain = sum(grades.get(row, 0.0) / np.log2(at + 2) for at, row in enumerate(ranked[:K]))
        best = sorted(grades.values(), reverse=True)[:K]
        return gain / sum(grade / np.log2(at + 2) for at, grade in enumerate(best))

    def legs(self, text, at):
        """BM25 of every row that matches, cosine of every row, and the mean cosine."""
        sql = "SELECT rowid, bm25 FROM d WHERE d MATCH words(?) ORDER BY rank"
        bm25 = dict(self.db.execute(sql, [text]))
        cosine = self.base @ self.query[at]
        return bm25, cosine, float(self.mean @ self.query[at])


def ranks(rows):
    return {row: at + 1 for at, row in enumerate(rows)}


def formulas(depth):
    def pool(bm25, cosine):
        text = sorted(bm25, key=lambda row: (-bm25[row], row))[:depth]
        vector = [int(row) for row in np.argsort(-cosine, kind="stable")[:depth]]
        return text, vector

    def rrf(k):
        def score(bm25, cosine, _):
            text, vector = pool(bm25, cosine)
            t, v = ranks(text), ranks(vector)
            return {r: (1 / (k + t[r]) if r in t else 0) + (1 / (k + v[r]) if r in v else 0) for r in {*text, *vector}}

        return score

    def background(alpha, low=0.0, zero=lambda cosine, mean: mean):
        def score(bm25, cosine, mean):
            text, vector = pool(bm25, cosine)
            m = zero(cosine, mean)
            top, best = max(cosine[vector[0]] - m, 1e-9), max(bm25.values(), default=1.0)
            v = lambda r: min(max((cosine[r] - m) / top, low), 1.0)
            return {r: alpha * v(r) + (1 - alpha) * bm25.get(r, 0.0) / best for r in {*text, *vector}}

        return score

    def minimum(alpha):
        return background(alpha, -1.0, lambda cosine, mean: -1.0)

    def gap(power, base):
        """Alpha by how far each leg's best rows stand out from its list."""

        def score(bm25, cosine, mean):
            text, vector = pool(bm25, cosine)
            top, best = max(cosine[vector[0]] - mean, 1e-9), max(bm25.values(), default=1.0)
            v = lambda r: min(max((cosine[r] - mean) / top, 0.0), 1.0)
            t = lambda r: bm25.get(r, 0.0) / best
            sharp = lambda f, rows: max(1e-3, 1 - float(np.mean([f(r) for r in rows[5:50]] or [0.0])))
            a, b = sharp(v, vector) ** power, sharp(t, text) ** power
            alpha = base * a / (base * a + (1 - base) * b)
            return {r: alpha * v(r) + (1 - alpha) * t(r) for r in {*text, *vector}}

        return score

    yield "text", lambda bm25, cosine, _: bm25
    yield "vector", lambda bm25, cosine, _: {r: float(cosine[r]) for r in pool(bm25, cosine)[1]}
    yield "rrf 60", rrf(60)
    yield "convex, theoretical minimum .5", minimum(0.5)
    for alpha in (0.35, 0.4, 0.45, 0.5, 0.55):
        yield f"background {alpha}", background(alpha)
    yield "background .45, cut at -1", background(0.45, -1.0)
    for power in (0.5, 1.0):
        yield f"background by sharpness ^{power}", gap(power, 0.45)


def main(arguments):
    extension, data, rest = arguments[0], Path(arguments[1]), arguments[2:]
    at = rest.index("--engine") if "--engine" in rest else len(rest)
    sets, options = rest[:at], rest[at + 1 :]
    table = {}
    for name in sets:
        for model in ("main", "weak"):
            judged = Judged(extension, data / name, model)
            column = f"{name}/{model}"
            if options:
                for option in options:
                    sql = "SELECT rowid FROM d WHERE d MATCH hybrid_query(words(?), ?, ?) ORDER BY rank LIMIT 10"
                    found = [
                        judged.ndcg(one, [row for (row,) in judged.db.execute(sql, [text, judged.query[nth].tobytes(), option])])
                        for one, text, nth in judged.queries
                    ]
                    table.setdefault(option, {})[column] = np.mean(found)
                continue
            for depth in (50, 100, 200):
                for one, text, nth in judged.queries:
                    legs = judged.legs(text, nth) if depth == 50 else judged.known[one]
                    if depth == 50:
                        judged.__dict__.setdefault("known", {})[one] = legs
                    for formula, score in formulas(depth):
                        scores = score(*legs)
                        ranked = sorted(scores, key=lambda row: (-scores[row], row))
                        table.setdefault(f"{formula} @{depth}", {}).setdefault(column, []).append(judged.ndcg(one, ranked))
    columns = list(next(iter(table.values())))
    print("| formula | " + " | ".join(columns) + " | mean |")
    for formula, row in table.items():
        means = [float(np.mean(row[column])) for column in columns]
        print(f"| {formula} | " + " | ".join(f"{mean:.4f}" for mean in means) + f" | {np.mean(means):.4f} |")


if __name__ == "__main__":
    main(sys.argv[1:])
