"""python3 -m unittest discover -s scripts/bench"""

import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

import numpy as np

import scale
import scale_page
import scale_products
import scale_rows


class Exact(scale_products.Product):
    """All rows in a list, and a file of them."""

    breadths = (None, 1)

    def open(self, new=False):
        self.kept = {}

    def commit(self, rows, updates, deletes):
        for number, tag, text, vector in rows:
            self.kept[number] = (tag, text, vector)
        for number, vector in updates:
            self.kept[number] = (*self.kept[number][:2], vector)
        for number in deletes:
            del self.kept[number]

    def checkpoint(self):
        pathlib.Path(self.folder, "t").write_bytes(b"".join(vector.tobytes() for *_, vector in self.kept.values()))

    def search(self, vector, k, breadth=None, passes=None):
        fit = [(-float(row @ vector), number) for number, (tag, _, row) in self.kept.items() if passes is None or tag < passes]
        return [number for _, number in sorted(fit)[:k]]

    def words(self, words, k):
        return [number for number, (_, text, _) in self.kept.items() if set(words.split()) & set(text.split())][:k]


def base():
    return scale_rows.unit(np.random.default_rng(1).normal(size=(50, 8))).astype("f2")


class Rows(unittest.TestCase):
    def test_vectors_are_the_same_however_they_are_asked_for(self):
        one, other = scale_rows.Vectors(base()), scale_rows.Vectors(base())
        numbers = [9000, 3, 4096, 3]
        self.assertTrue((one[numbers] == np.vstack([other[[number]] for number in numbers])).all())
        self.assertFalse((one[[3]] == one[[4]]).all())

    def test_a_history_ends_where_its_commits_lead_one_by_one(self):
        commits = scale_rows.grown(3000)
        alive = {}
        for new, changed, gone in commits:
            alive.update({number: number for number in new})
            for number, vector in changed:
                self.assertIn(number, alive)
                alive[number] = vector
            for number in gone:
                del alive[number]
        numbers, vectors = scale_rows.final(commits)
        self.assertEqual(dict(zip(numbers.tolist(), vectors.tolist())), alive)
        self.assertEqual(max(new[-1] for new, _, _ in commits), 2999)
        self.assertTrue(2550 < len(numbers) < 2850 and 200 < (vectors >= 3000).sum() < 400)
        self.assertGreater(len({len(new) for new, _, _ in commits}), 3)


class Measured(unittest.TestCase):
    def setUp(self):
        scale_products.PRODUCTS["exact"] = Exact
        self.addCleanup(scale_products.PRODUCTS.pop, "exact")

    def test_an_exact_product_has_recall_1_everywhere_in_both_ways(self):
        lines = []
        with tempfile.TemporaryDirectory() as place:
            np.save(f"{place}/base.npy", base())
            for way in ("bulk", "grown"):
                task = {"product": "exact", "rows": 400, "way": way, "dim": 8, "vectors": f"{place}/base.npy"}
                task |= {"found": f"{place}/found.npz", "folder": tempfile.mkdtemp(dir=place), "extension": None}
                scale.find(scale_rows.Vectors(base()), way, 400, task["found"])
                lines.append(task | scale.measure(task))
        for line in lines:
            points = [*line["search"], *line["filtered"].values()]
            for point in points:
                self.assertGreaterEqual(point["recall"], 0.999)
            self.assertGreater(line["single_ms"], 0)
            self.assertAlmostEqual(line["loaded_mb"], line["raw_mb"])
        page = scale_page.tables(lines)
        self.assertIn("### 400 x 8, one transaction", page)
        self.assertIn("| exact |", page)
        for _, text in scale_page.charts(lines):
            xml.fromstring(text)

    def test_a_product_that_fails_is_named_in_the_table(self):
        failed = scale.run(sys.executable, {"product": "exact", "step": "measure"})
        line = {"product": "exact", "rows": 10, "way": "bulk", "dim": 8} | failed
        self.assertIn("| exact | failed: ", scale_page.tables([line]))

    def test_the_last_line_of_a_measurement_counts(self):
        text = "\n".join(f'{{"rows": 1, "way": "bulk", "product": "a", "dim": {dim}}}' for dim in (1, 2))
        self.assertEqual([one["dim"] for one in scale_page.read(text)], [2])


if __name__ == "__main__":
    unittest.main()
