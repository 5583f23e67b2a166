import pytest

from antialias_plugins import stopwatch
from antialias_plugins.stopwatch import Stopwatch


@pytest.mark.parametrize(
    ('laps', 'rate'),
    [([], None), ([(4, 2.0)], 2.0), ([(4, 100.0), (6, 2.0), (2, 2.0)], 2.0)],
    ids=['none', 'one', 'the-first-does-not-count'],
)
def test_rate(laps, rate):
    watch = Stopwatch()
    for images, seconds in laps:
        watch.add(images, seconds)
    assert watch.rate == rate


def test_lap(monkeypatch):
    times = iter([10.0, 14.0])
    monkeypatch.setattr(stopwatch, 'now', lambda: next(times))
    watch = Stopwatch()
    with watch.lap(8):
        pass
    assert watch.rate == 2.0
