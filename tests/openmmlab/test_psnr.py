import math

import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.structures import BaseDataElement, PixelData

from antialias_plugins.openmmlab.psnr import PeakSignalNoiseRatio, peak_signal_noise_ratio


def sample(image, target):
    return BaseDataElement(pred_image=PixelData(data=image), gt_image=PixelData(data=target))


def evaluate(samples, **options):
    evaluator = Evaluator(PeakSignalNoiseRatio(**options))
    for one in samples:
        evaluator.process([one])
    return evaluator.evaluate(len(samples))


@pytest.mark.parametrize('data_range', [1.0, 255.0])
def test_value_is_that_of_the_definition(data_range):
    image, target = data_range * torch.rand(2, 3, 4, 5)
    pairs = list(zip(image.flatten().tolist(), target.flatten().tolist(), strict=True))
    error = sum((a - b) ** 2 for a, b in pairs) / len(pairs)
    assert peak_signal_noise_ratio(image, target, data_range) == pytest.approx(
        20 * math.log10(data_range) - 10 * math.log10(error), rel=1e-12
    )


def test_integers_do_not_wrap():
    image, target = torch.zeros(3, 2, 2, dtype=torch.uint8), torch.full((3, 2, 2), 255, dtype=torch.uint8)
    assert peak_signal_noise_ratio(image, target) == 0


def test_mean_over_images_in_which_an_exact_one_counts_the_maximum():
    target = torch.zeros(3, 2, 2)
    assert math.isinf(peak_signal_noise_ratio(target, target))
    samples = [sample(target + error, target) for error in (25.5, 2.55, 0.0)]
    assert evaluate(samples)['PSNR'] == pytest.approx((20 + 40 + 100) / 3, rel=1e-6)
    assert evaluate(samples, maximum=30)['PSNR'] == pytest.approx((20 + 30 + 30) / 3, rel=1e-6)


def test_broken_images_are_not_hidden():
    target = torch.zeros(3, 2, 2)
    assert math.isnan(evaluate([sample(target * math.nan, target), sample(target, target)])['PSNR'])


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: peak_signal_noise_ratio(torch.zeros(3, 2, 2), torch.zeros(3, 2, 3)), r'got \(3, 2, 2\)'),
        (lambda: PeakSignalNoiseRatio(data_range=0), 'data_range must be positive, got 0'),
        (lambda: PeakSignalNoiseRatio(data_range='255'), "data_range must be positive, got '255'"),
        (lambda: PeakSignalNoiseRatio(maximum=None), 'maximum must be positive, got None'),
        (lambda: peak_signal_noise_ratio([1], torch.ones(1)), r'image must be a tensor with values, got \[1\]'),
        (lambda: peak_signal_noise_ratio(torch.ones(0), torch.ones(0)), 'image must be a tensor with values'),
        (lambda: evaluate([BaseDataElement(gt_image=1)]), r"must have pred_image and gt_image, .* got \['gt_image'\]"),
    ],
    ids=['shapes', 'data_range', 'text', 'maximum', 'list', 'empty', 'sample'],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
