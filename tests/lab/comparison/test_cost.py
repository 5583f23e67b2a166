import torch
from torch import nn

from lab.comparison import Method
from lab.comparison.cost import measure_costs
from lab.comparison.digits import digits


def test_what_can_be_counted(recipe, monkeypatch):
    def build(method, seed):
        layers = [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 10)]
        return nn.Sequential(*layers)

    monkeypatch.setattr('lab.comparison.cost.build_network', build)
    costs = measure_costs([Method('baseline'), Method('lpf3')], digits(recipe)[0], recipe, 1, 0.001)
    assert list(costs) == ['baseline', 'lpf3']
    for cost in costs.values():
        assert cost.parameters == 4 * 9 + 4 + 4 * 10 + 10
        # What ReLU returns, (4, 32, 32), and what the linear layer reads, (4,): the image is no activation.
        assert cost.saved == 4 * (4 * 32 * 32 + 4)
        assert cost.step > cost.image > 0
        assert min(cost.step_spread, cost.image_spread) >= 0


def test_filters_cost_something(recipe):
    torch.manual_seed(0)
    baseline, adaptive = measure_costs(
        [Method('baseline'), Method('ddac3')], digits(recipe)[0], recipe, 1, 0.001
    ).values()
    assert adaptive.saved > baseline.saved
    assert adaptive.parameters > baseline.parameters
