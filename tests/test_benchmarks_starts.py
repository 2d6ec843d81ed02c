"""That starts are counted as they are told. No timings."""

from benchmarks.starts import Start, measured, told


def test_a_line_tells_the_median_the_worst_the_late_and_the_load():
    starts = [Start(1.0, 0.9, 0.5), Start(1.5, 1.0, 1.0), Start(2.5, 1.1, 4.0)]
    assert told(starts) == (
        "1.50 s (worst 2.50), processor 1.00 s (worst 1.10), 1 of 3 over 2 s, load 0.5 to 4.0"
    )


def test_who_is_first_in_a_round_is_last_in_the_next():
    order = []

    def start(program):
        order.append(program)
        return Start(1.0, 1.0, 0.0)

    starts = measured(["before", "after"], 3, start)
    assert order == ["before", "after", "after", "before", "before", "after"]
    assert {program: len(those) for program, those in starts.items()} == {"before": 3, "after": 3}
