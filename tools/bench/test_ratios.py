"""Tests of ratios.py: `python3 -m unittest discover tools/bench`."""

import tempfile
import unittest
from pathlib import Path

import ratios

PROCESSOR = "some processor, 2 cores, AVX2"


def of(ratio, stage="vgg16 forward", spread=0.02, **others):
    about = {"processor": PROCESSOR, "stage": stage, "beside": "PyTorch", "version": "2", "date": "2026-01-01", "commit": "abc", "rounds": 7}
    return {**about, "ratio": ratio, "spread": spread, **others}


class Ratios(unittest.TestCase):
    def test_a_disturbed_round_moves_neither_ratio_nor_spread(self):
        own = [1.0, 1.0, 1.0, 1.0, 9.0]
        entry = ratios.entry(own, [2.0, 2.02, 1.98, 2.0, 2.0], stage="s")
        self.assertEqual(entry["ratio"], 2.0)
        self.assertLess(entry["spread"], 0.02)
        self.assertEqual(entry["rounds"], 5)

    def test_the_spread_is_the_standard_deviation_of_the_logarithm(self):
        values = [0.9, 0.95, 1.0, 1 / 0.95, 1 / 0.9]
        entry = ratios.entry([1.0] * 5, values)
        self.assertAlmostEqual(entry["spread"], 1.4826 * 0.0513, places=3)

    def test_a_stage_that_falls_by_more_than_the_noise_is_named_with_both_numbers(self):
        slower, sentences = ratios.compare([of(2.5), of(1.5, "head epoch")], [of(2.2), of(1.49, "head epoch")])
        self.assertEqual(slower, {"vgg16 forward"})
        self.assertTrue(sentences[0].startswith("vgg16 forward beside PyTorch: SLOWER, was 2.50 (commit abc, 2026-01-01), now 2.20: -12%"), sentences)
        self.assertEqual(sentences[1:], ["2 of 2 committed ratios of this processor were compared."])

    def test_a_stage_that_falls_within_the_noise_is_not_named(self):
        self.assertEqual(ratios.compare([of(2.5)], [of(2.4)])[0], set())
        # Rounds that scatter by a fifth say nothing about an eighth.
        self.assertEqual(ratios.compare([of(2.5, spread=0.2)], [of(2.2)])[0], set())

    def test_a_spread_that_is_small_by_luck_counts_as_the_typical_one(self):
        committed = [of(2.5, stage, spread=0.2) for stage in "abc"] + [of(2.5, spread=0.0)]
        measured = [of(2.5, stage, spread=0.2) for stage in "abc"] + [of(2.2, spread=0.0)]
        self.assertEqual(ratios.compare(committed, measured)[0], set())

    def test_a_faster_stage_is_told_and_fails_nothing(self):
        slower, sentences = ratios.compare([of(2.5)], [of(3.0)])
        self.assertEqual(slower, set())
        self.assertIn("faster, was 2.50", sentences[0])

    def test_another_processor_is_not_compared(self):
        slower, sentences = ratios.compare([of(2.5)], [of(1.0, processor="some processor, 2 cores, AVX-512")])
        self.assertEqual(slower, set())
        self.assertEqual(len(sentences), 1)
        self.assertIn("Not compared: this is some processor, 2 cores, AVX-512, and the committed ratios are of some processor, 2 cores, AVX2.", sentences[0])

    def test_nothing_committed_is_not_compared(self):
        self.assertIn("the committed ratios are of no processor", ratios.compare([], [of(1.0)])[1][0])

    def test_another_version_of_the_other_side_is_not_compared(self):
        slower, sentences = ratios.compare([of(2.5)], [of(1.0, version="3")])
        self.assertEqual(slower, set())
        self.assertEqual(sentences[0], "vgg16 forward beside PyTorch: not compared, the committed ratio is of version 2, this is 3")

    def test_a_new_stage_is_told(self):
        self.assertIn("no ratio is committed", ratios.compare([of(2.5)], [of(2.5), of(1.0, "new")])[1][0])

    def test_what_was_not_measured_stays_when_ratios_are_recorded(self):
        elsewhere = of(9.0, processor="another")
        before = [elsewhere, of(2.5), of(1.5, "head epoch")]
        after = ratios.merged(before, [of(2.6)])
        self.assertCountEqual(after, [elsewhere, of(2.6), of(1.5, "head epoch")])
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "ratios.json"
            self.assertEqual(ratios.read(file), [])
            ratios.write(file, after)
            self.assertEqual(ratios.read(file), after)
            self.assertEqual(len(file.read_text().splitlines()), 5)


if __name__ == "__main__":
    unittest.main()
