import pytest
import torch
from torch.nn import functional as F

from antialias_plugins.timm_models.vgg import PooledConvMlp


@pytest.mark.parametrize('sides', [(3, 5), (7, 7), (7, 9), (14, 8)])
def test_head_is_that_of_torchvision_at_every_size(sides):
    head = PooledConvMlp(4, 6, drop_rate=0.0).double()
    maps = torch.randn(2, 4, *sides, dtype=torch.float64)
    hidden = F.adaptive_avg_pool2d(maps, (7, 7)).flatten(1)
    for layer in (head.fc1, head.fc2):
        hidden = F.relu(F.linear(hidden, layer.weight.flatten(1), layer.bias))
    torch.testing.assert_close(head(maps), hidden[:, :, None, None])
