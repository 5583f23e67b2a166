import pytest
import torch

from lab.benchmark import Settings, measure_case
from tests.lab.benchmark.cases import FAULTS, double_case

SETTINGS = Settings(timed=False)


def by_name(results):
    return {result.implementation: result for result in results}


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_what_agrees_is_measured(dtype):
    results = by_name(measure_case(double_case(), Settings(dtype=dtype, timed=False)))
    assert results['other'].agreement.holds
    assert results['square'].agreement is None
    # Forward makes one map; backward makes the gradient while the output is alive.
    size = 10 * dtype.itemsize
    assert results['ours'].measurements.forward_peak == size
    assert results['ours'].measurements.training_peak == 2 * size
    assert results['square'].measurements.saved.input == size


@pytest.mark.parametrize('fault', [fault for fault in FAULTS if fault])
def test_what_disagrees_is_not_measured(fault):
    results = by_name(measure_case(double_case(other=fault), SETTINGS))
    assert not results['other'].agreement.holds
    assert results['other'].measurements is None
    assert results['ours'].measurements is not None


def test_a_wrong_gradient_is_told_from_a_wrong_output():
    agreement = by_name(measure_case(double_case(other='gradient'), SETTINGS))['other'].agreement
    assert agreement.output < 1e-7
    assert agreement.gradient == pytest.approx(5e-4, rel=1e-3)


def test_times_are_taken_of_all_or_none():
    timed = measure_case(double_case(), Settings(rounds=1, seconds=1e-3))
    assert all(r.measurements.forward.median > 0 and r.measurements.training.median > 0 for r in timed)
    assert all(r.measurements.forward is None for r in measure_case(double_case(), SETTINGS))
