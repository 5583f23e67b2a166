import time
from functools import partial

from lab.benchmark.timing import time_interleaved


def test_sleep_takes_its_time_and_turns_alternate():
    calls = []

    def sleep(name, seconds):
        calls.append(name)
        time.sleep(seconds)

    runs = {'long': partial(sleep, 'long', 0.02), 'short': partial(sleep, 'short', 0.01)}
    timings = time_interleaved(runs, rounds=2, seconds=0.01)
    assert timings['long'].median >= 0.02
    assert 0.01 <= timings['short'].median < timings['long'].median
    assert all(timing.count >= 2 and timing.spread >= 0 for timing in timings.values())
    turns = [name for name, previous in zip(calls, [None, *calls], strict=False) if name != previous]
    assert turns == ['long', 'short', 'long']  # the second round starts with the other one
