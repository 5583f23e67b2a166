import pytest
import torch
from torch import nn

from antialias_plugins.openmmlab.runner import BFloat16OptimWrapper


@pytest.fixture
def model():
    return nn.Linear(2, 1, bias=False)


def test_bfloat16_is_used_inside_the_context_only(model):
    wrapper = BFloat16OptimWrapper(torch.optim.SGD(model.parameters(), lr=1.0))
    example = torch.ones(1, 2)

    with wrapper.optim_context(model):
        assert model(example).dtype == torch.bfloat16

    assert model(example).dtype == torch.float32


def test_weights_stay_float32_and_learn(model):
    nn.init.ones_(model.weight)
    wrapper = BFloat16OptimWrapper(torch.optim.SGD(model.parameters(), lr=0.5))

    with wrapper.optim_context(model):
        loss = model(torch.tensor([[1.0, 2.0]])).float().sum()
    wrapper.update_params(loss)

    torch.testing.assert_close(model.weight.data, torch.tensor([[0.5, 0.0]]), rtol=0, atol=0)
