import numpy as np
import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from antialias_plugins.openmmlab.segmentation.dual_super_resolution import LowResolutionPreProcessor

COLOURS = {'mean': [10.0, 20.0, 30.0], 'std': [2.0, 4.0, 8.0], 'bgr_to_rgb': True}


def batch(*sizes):
    inputs = [torch.randint(0, 256, (3, *size), dtype=torch.uint8) for size in sizes]
    samples = [SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, *size).long())) for size in sizes]
    return {'inputs': inputs, 'data_samples': samples}


def reduced(image, factor):
    """Bilinear interpolation at positions that begin and end with the image, one side after the other."""
    image = image.double().numpy()
    for axis in (1, 2):
        length = image.shape[axis]
        positions = np.linspace(0, length - 1, length // factor)
        line = lambda values, positions=positions: np.interp(positions, np.arange(len(values)), values)  # noqa: E731
        image = np.apply_along_axis(line, axis, image)
    return torch.from_numpy(image)


@pytest.mark.parametrize('size', [(8, 12), (9, 13)], ids=['even', 'odd'])
@pytest.mark.parametrize('factor', [1, 2, 3])
def test_corners_stay_corners(size, factor):
    data = batch(size, size)
    preprocessor = LowResolutionPreProcessor(factor, **COLOURS)

    inputs = preprocessor(data)['inputs']

    mean, std = (torch.tensor(COLOURS[name]).double().reshape(3, 1, 1) for name in ('mean', 'std'))
    expected = torch.stack([reduced((image.flip(0) - mean) / std, factor) for image in data['inputs']])
    assert inputs.shape[-2:] == tuple(side // factor for side in size)
    torch.testing.assert_close(inputs.double(), expected, rtol=0, atol=1e-4)


def test_labels_and_targets_keep_their_size():
    data = batch((8, 12), (6, 10))
    images = [image.clone() for image in data['inputs']]
    preprocessor = LowResolutionPreProcessor(keep_target=True, size=(8, 12), seg_pad_val=255, **COLOURS)

    result = preprocessor(data, training=True)

    assert result['inputs'].shape == (2, 3, 4, 6)
    for sample, image in zip(result['data_samples'], images, strict=True):
        target = preprocessor.denormalize(sample.gt_image.data)
        height, width = image.shape[-2:]
        assert sample.gt_sem_seg.shape == sample.gt_image.shape == (8, 12)
        assert sample.metainfo['pad_shape'] == (8, 12)
        torch.testing.assert_close(target[:, :height, :width], image.flip(0).float(), rtol=0, atol=1e-4)


def test_target_of_a_test_image_has_no_padding():
    preprocessor = LowResolutionPreProcessor(keep_target=True, test_cfg={'size_divisor': 8}, **COLOURS)

    result = preprocessor(batch((7, 13)))

    (sample,) = result['data_samples']
    assert result['inputs'].shape == (1, 3, 4, 8)
    assert sample.gt_image.shape == sample.gt_sem_seg.shape == (7, 13)
    assert tuple(sample.metainfo['pad_shape']) == (8, 16)


@pytest.mark.parametrize('samples', [True, False], ids=['not-asked-for', 'no-samples'])
def test_without_targets(samples):
    data = batch((8, 8))
    data = data if samples else {'inputs': data['inputs']}
    result = LowResolutionPreProcessor(keep_target=not samples)(data)
    assert result['data_samples'] is None or 'gt_image' not in result['data_samples'][0]


def test_units_without_normalization():
    image = torch.rand(3, 4, 4)
    assert LowResolutionPreProcessor().denormalize(image) is image


@pytest.mark.parametrize('factor', [0, 1.5])
def test_factor_must_be_a_positive_integer(factor):
    with pytest.raises(ValueError, match=f'factor must be a positive integer, got {factor}'):
        LowResolutionPreProcessor(factor)
