"""python3 -m unittest discover -s scripts/bench"""

import math
import unittest

from figures import frontier, speed_at

SWEEP = [(0.90, 1000.0), (0.96, 400.0), (0.95, 300.0), (0.99, 100.0)]


class Figures(unittest.TestCase):
    def test_the_frontier_leaves_out_what_another_point_beats_in_both(self):
        self.assertEqual(frontier(SWEEP), [(0.90, 1000.0), (0.96, 400.0), (0.99, 100.0)])

    def test_between_two_points_the_logarithm_of_the_speed_is_linear(self):
        speed, sign = speed_at(SWEEP, 0.93)
        self.assertAlmostEqual(speed, math.sqrt(1000 * 400))
        self.assertEqual(sign, "")

    def test_a_target_below_the_sweep_is_a_lower_bound_and_one_above_it_is_unknown(self):
        self.assertEqual(speed_at(SWEEP, 0.85), (1000.0, ">="))
        self.assertEqual(speed_at(SWEEP, 0.90), (1000.0, ""))
        self.assertEqual(speed_at(SWEEP, 0.995), (None, ""))
        self.assertEqual(speed_at([], 0.9), (None, ""))


if __name__ == "__main__":
    unittest.main()
