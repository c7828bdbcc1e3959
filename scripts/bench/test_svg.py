"""python3 -m unittest discover -s scripts/bench"""

import unittest
import xml.etree.ElementTree as xml

from svg import Axis, Series, line_chart

SPEEDS = [(0.9, 50_000), (0.99, 15_000), (1.0, 900)]


def chart(x, y, *series):
    return xml.fromstring(line_chart("a < b & c", x, y, series))


def count(tree, tag):
    return len(tree.findall("{http://www.w3.org/2000/svg}" + tag))


class LineChart(unittest.TestCase):
    def test_every_scale_gives_well_formed_text_with_each_mark(self):
        for scale, left_out in (("linear", 0), ("log", 0), ("nines", 1)):
            tree = chart(Axis("recall", scale), Axis("queries/s", "log"), Series("ours", SPEEDS, emphasis=True))
            self.assertEqual(count(tree, "circle"), len(SPEEDS) - left_out + 1, f"{scale}: one mark a point, one in the legend")

    def test_points_beyond_the_limits_are_left_out(self):
        tree = chart(Axis("recall", low=0.95), Axis("queries/s", "log"), Series("ours", SPEEDS, emphasis=True))
        self.assertEqual(count(tree, "circle"), 3)

    def test_a_value_that_a_logarithm_lacks_is_left_out(self):
        tree = chart(Axis("x"), Axis("y", "log"), Series("ours", [(1, 0), (2, 5), (3, -1)], emphasis=True))
        self.assertEqual(count(tree, "circle"), 2)

    def test_a_chart_of_nothing_or_of_one_point_is_still_a_chart(self):
        for points in ([], [(0.5, 3)]):
            chart(Axis("x"), Axis("y", "log"), Series("ours", points))
        chart(Axis("x"), Axis("y"))

    def test_the_same_input_gives_the_same_text(self):
        text = [line_chart("t", Axis("x"), Axis("y"), [Series("ours", SPEEDS)]) for _ in range(2)]
        self.assertEqual(*text)

    def test_an_unknown_scale_is_refused(self):
        with self.assertRaises(ValueError):
            line_chart("t", Axis("x", "logarithmic"), Axis("y"), [])


if __name__ == "__main__":
    unittest.main()
