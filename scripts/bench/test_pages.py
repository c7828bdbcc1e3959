"""python3 -m unittest discover -s scripts/bench"""

import json
import pathlib
import tempfile
import unittest
import xml.etree.ElementTree as xml
from unittest import mock

import filters
import peers
import plot
import tables


def point(param, recall, qps, mode="single"):
    return {"mode": mode, "param": param, "recall": recall, "qps": qps, "cpu_qps": 2 * qps}


def result(points, build_s=2.0, rss_mb=1.0):
    about = {"points": points, "build_s": build_s, "build_cpu_s": 2 * build_s, "rss_mb": rss_mb}
    return about | {"rows": 1024, "config": "M 16", "version": "1"}


def document():
    ours = [point("ef=10", 0.90, 4000.0), point("ef=20", 0.95, 2000.0), point("ef=90", 0.99, 500.0)]
    theirs = [point("ef=10", 0.93, 900.0), point("ef=10", 0.93, 1000.0, "batch"), point("ef=20", 0.95, 500.0)]
    results = {"hnswlib": result(theirs, 4.0, 4.0), "nearlite": result(ours), "svs": {"points": [], "failed": "no such <thing>"}}
    about = {"results": results, "rows": 1024, "queries": 10, "dim": 4}
    return {"machine": "2 cores", "month": "May 2026", "rounds": 1, "threads_build": 2, "k": 10, "sets": {"toys": about}}


class Pages(unittest.TestCase):
    def test_a_table_shows_speeds_and_ratios_the_fastest_first(self):
        rows = tables.table(document()["sets"]["toys"], "wall")
        self.assertEqual(rows[2], "| **nearlite** | 4,000 | 2,000 | 500 | 4.00 | - | 2.0 | 0.50 | 1,024 | 0.25 |")
        self.assertEqual(rows[3], "| hnswlib | >=1,000 | 500 | - | 1.00 | - | 4.0 | 1.00 | 4,096 | 1.00 |")
        self.assertIn("svs (no such <thing>)", rows[-1])

    def test_processor_time_has_its_own_figures(self):
        rows = tables.table(document()["sets"]["toys"], "cpu")
        self.assertEqual(rows[2], "| **nearlite** | 8,000 | 4,000 | 1,000 | 4.00 | - | 4.0 | 0.50 | 1,024 | 0.25 |")

    def test_only_what_stands_between_the_marks_is_replaced(self):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder, "page.md")
            page.write_text("a\n<!-- engine: begin -->\nold\n<!-- engine: end -->\nb\n")
            source = pathlib.Path(folder, "in.json")
            source.write_text(json.dumps(document()))
            for _ in range(2):
                with mock.patch("sys.argv", ["tables.py", str(source), "--plots", "plots", "--into", str(page)]):
                    tables.main()
            text = page.read_text()
            self.assertTrue(text.startswith("a\n<!-- engine: begin -->\n2 cores, May 2026"))
            self.assertTrue(text.endswith("| hnswlib | 1 | M 16 |\n<!-- engine: end -->\nb\n"))
            self.assertIn("](plots/toys-recall.svg)", text)

    def test_recall_by_breadth_has_a_column_for_each_data_set(self):
        whole = document()
        whole["sets"]["empty"] = {"results": {}}
        self.assertIn("| 20 | 0.9500 | - |", tables.breadths(whole))

    def test_plots_are_drawn_of_what_has_points(self):
        whole = document()
        for draw in (plot.recall_chart, plot.memory_chart):
            text = draw("toys", whole["sets"]["toys"], whole, "wall", {"hnswlib": "#000000", "svs": "#111111"})
            words = [element.text for element in xml.fromstring(text).iter() if element.tag.endswith("text")]
            self.assertIn("nearlite", words)
            self.assertIn("hnswlib", words)
            self.assertNotIn("svs", words)

    def test_of_two_rounds_the_best_speed_and_build_count_and_the_worst_recall(self):
        old, new = result([point("ef=10", 0.9, 100.0)], 3.0), result([point("ef=10", 0.8, 150.0), point("ef=20", 0.9, 50.0)], 2.0)
        both = peers.better(old, new)
        self.assertEqual([(one["recall"], one["qps"]) for one in both["points"]], [(0.8, 150.0), (0.9, 50.0)])
        self.assertEqual(both["build_s"], 2.0)
        self.assertEqual(peers.better(None, new), new)

    def test_filtered_searches_are_compared_with_the_better_way_without_one(self):
        def ways(us, short=0):
            default = {"us": us, "recall": 0.985, "short": short, "wrong": 0}
            return {"default": default, "scan": {"us": 100.0}, "unfiltered": {"us": 20.0}}

        points = [{"rate": 60, "correlation": at, "ways": ways(us, short)} for at, us, short in ((0, 66.0, 0), (-1, 90.0, 2))]
        whole = {"set": "toys", "rows": 1000, "dim": 4, "k": 10, "queries": 9, "points": points}
        self.assertEqual(filters.table(whole)[2], "| 60 % | 90, 0.985, 1.50 **2 wrong** | 66, 0.985, 1.10 |")
        words = [element.text for element in xml.fromstring(filters.chart(whole)).iter() if element.tag.endswith("text")]
        self.assertIn("correlation -1", words)


if __name__ == "__main__":
    unittest.main()
