"""The metrics on a device that has no float64, such as Apple's GPUs: a stand-in that refuses it, as they do."""

import pytest
import torch
from torch import nn
from torch.utils._pytree import tree_leaves, tree_map

from antialias_plugins.metrics import (
    Instances,
    aliasing_report,
    diagonal_sweep,
    equivariance_report,
    mean_instance_consistency,
    mean_segmentation_consistency,
    shift_consistency,
    worst_case_segmentation_consistency,
    worst_case_shift_consistency,
)
from antialias_plugins.testing import shift_equivariance_error

_LEAVING = (torch.Tensor.cpu, torch.Tensor.tolist, torch.Tensor.item, torch.Tensor.__bool__)


class WithoutFloat64(torch.Tensor):
    """A tensor on a device without float64: what is computed from it stays there, until it is copied to the CPU."""

    @classmethod
    def __torch_function__(cls, function, types, args=(), kwargs=None):
        args, kwargs = tree_map(_plain, (args, kwargs or {}))
        found = function(*args, **kwargs)
        if function in _LEAVING:
            return found
        if any(
            isinstance(leaf, torch.Tensor) and leaf.dtype in (torch.float64, torch.complex128)
            for leaf in tree_leaves(found)
        ):
            raise TypeError('Cannot convert a tensor to float64 dtype as the device does not support float64.')
        return tree_map(lambda leaf: leaf.as_subclass(cls) if isinstance(leaf, torch.Tensor) else leaf, found)


def _plain(leaf):
    return leaf.as_subclass(torch.Tensor) if isinstance(leaf, WithoutFloat64) else leaf


IMAGES = torch.rand(3, 2, 24, 24, generator=torch.Generator().manual_seed(0))
NETWORK = nn.Sequential(nn.Conv2d(2, 3, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(2)).requires_grad_(False)


REGIONS = dict(max_shift=4, num_classes=3, boundary=1)


def classify(views):
    return views.flatten(1)[:, :3]


def segment(views):
    return (views[:, 0] * 3).long()


def detect(views):
    one = torch.ones(1).as_subclass(type(views))
    boxes = torch.tensor([[2.0, 2, 20, 20]]).as_subclass(type(views))
    return [Instances(one, one, boxes, view[:1] > 0.5) for view in views]


MEASURES = {
    'shift': lambda images: shift_consistency(classify, images, [0, 1, 2], max_shift=4, crop_size=8),
    'subpixel': lambda images: shift_consistency(classify, images, max_shift=4, crop_size=8, circular=True, subpixel=2),
    'mASSC': lambda images: mean_segmentation_consistency(
        segment, images, segment(images), max_shift=4, num_classes=3, boundary=1
    ),
    'mAISC': lambda images: mean_instance_consistency(detect, images, max_shift=4, iou_threshold=0.1),
    'worst-shift': lambda images: worst_case_shift_consistency(classify, images, [0, 1, 2], max_shift=2),
    'worst-mASSC': lambda images: worst_case_segmentation_consistency(segment, images, segment(images), max_shift=2),
    'sweep': lambda images: diagonal_sweep(classify, images[0], max_shift=2, crop_size=8).probability.tolist(),
    'aliasing': lambda images: aliasing_report(NETWORK, list(images)).as_dict(),
    'equivariance': lambda images: equivariance_report(NETWORK, list(images), shifts=[1, 3]).as_dict(),
    'error': lambda images: shift_equivariance_error(nn.AvgPool2d(2), images, [1, 2], stride=2).tolist(),
}


@pytest.mark.parametrize('measure', MEASURES.values(), ids=MEASURES)
def test_no_float64_on_the_device(measure):
    assert measure(IMAGES.as_subclass(WithoutFloat64)) == measure(IMAGES)
