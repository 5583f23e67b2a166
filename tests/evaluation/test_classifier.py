import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config
from torch import nn
from torchvision import transforms
from torchvision.transforms.functional import normalize

from antialias_plugins.evaluation import Classifier, DataConfig
from antialias_plugins.evaluation.classifier import label_margins, top_margin

MEAN, STD = (0.1, 0.4, 0.7), (0.2, 0.3, 0.5)


class Spy(nn.Module):
    """Remembers what it was given."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 4)
        self.seen = []

    def forward(self, images):
        self.seen.append(images)
        logits = self.linear(images.mean((2, 3)))
        self.dtype = logits.dtype
        return logits


class BatchNoise(nn.Module):
    """Adds to its logits what another order of summation would: a difference that depends on the batch size."""

    def forward(self, images):
        logits = images.mean((2, 3)).double()
        noise = 1e-6 * torch.tensor([[0.0, 1.0, 0.0]]) * (len(images) > 1)
        return (logits + noise * logits.abs().amax(1, keepdim=True)).float()


def pixels(count=5, size=8):
    return torch.randint(256, (count, 3, size, size), dtype=torch.uint8)


def test_normalises_like_torchvision():
    spy = Spy()
    images = pixels()
    Classifier(spy, MEAN, STD)(images, top_margin)
    expected = torch.stack([normalize(image.double() / 255, MEAN, STD) for image in images])
    torch.testing.assert_close(spy.seen[0].double(), expected, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize('dtype', [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_mixed_precision(dtype):
    spy = Spy()
    logits = Classifier(spy, MEAN, STD, dtype=dtype)(pixels(), top_margin)
    assert (spy.dtype, logits.dtype) == (dtype, torch.float32)


@pytest.mark.parametrize('channels_last', [False, True])
def test_memory_format(channels_last):
    spy = Spy()
    Classifier(spy, MEAN, STD, channels_last=channels_last)(pixels(), top_margin)
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    assert spy.seen[0].is_contiguous(memory_format=memory_format)


def test_evaluation_mode_without_gradient():
    spy = Spy()
    logits = Classifier(spy.train(), MEAN, STD)(pixels(), top_margin)
    assert not spy.training
    assert not logits.requires_grad


def nearly_tied():
    """Grey images, whose three logits are equal but for the noise."""
    return torch.arange(1, 13, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 3, 4, 4).contiguous()


@pytest.mark.parametrize('batch_size', [2, 5])
def test_batch_size_does_not_decide_ties(batch_size):
    classifier = Classifier(BatchNoise(), (0, 0, 0), (1, 1, 1))
    images = nearly_tied()
    alone = torch.cat([classifier(image[None], top_margin) for image in images])
    batched = torch.cat([classifier(part, top_margin) for part in images.split(batch_size)])
    assert torch.equal(batched, alone)
    noisy = torch.cat([BatchNoise()(part.float()) for part in images.split(batch_size)])
    assert not torch.equal(noisy.argmax(1), alone.argmax(1)), 'the noise must be able to decide'


def test_only_ties_are_computed_again():
    spy = Spy()
    spy.linear.weight.data = torch.eye(4, 3)
    spy.linear.bias.data.zero_()
    images = torch.zeros(4, 3, 2, 2, dtype=torch.uint8)
    images[:, 0], images[2, 1] = 200, 200  # the first class wins everywhere but in number 2, where two are tied
    Classifier(spy, (0, 0, 0), (1, 1, 1))(images, top_margin)
    assert [len(seen) for seen in spy.seen] == [4, 1]
    assert torch.equal(spy.seen[1], spy.seen[0][2:3])


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(dtype=torch.int8), 'dtype must be one of torch.float32, .* got torch.int8'),
        (dict(device='nowhere'), 'device must be one that this machine has, got nowhere'),
        (dict(device='cuda:99'), 'device must be one that this machine has, got cuda:99'),
        (dict(device=1.5), 'device must be one that this machine has, got 1.5'),
        (dict(dtype='float16'), 'dtype must be one of torch.float32, .* got float16'),
        (dict(mean=(0.5, 0.5)), r'mean must hold three numbers, got \(0.5, 0.5\)'),
        (dict(std=(0.5, 0.5, 0)), 'std must be above 0 for each channel, got 0'),
        (dict(channels_last='no'), "channels_last must be True or False, got 'no'"),
        (dict(network='resnet18'), 'network must be a torch.nn.Module, got str'),
    ],
    ids=['dtype', 'unknown-device', 'missing-device', 'no-device', 'text', 'mean', 'std', 'flag', 'network'],
)
def test_bad_argument(changes, message):
    with pytest.raises((ValueError, TypeError), match=message):
        Classifier(**dict(network=Spy(), mean=MEAN, std=STD) | changes)


def test_top_margin_by_hand():
    assert top_margin(torch.tensor([[1.0, 4.0, 2.5], [3.0, 3.0, 0.0]])).tolist() == [[1.5], [0.0]]


@pytest.mark.parametrize('rank', [1, 2, 5])
def test_sign_says_whether_the_label_is_among_the_top(rank):
    logits, labels = torch.randn(50, 8), torch.randint(8, (50,))
    expected = [
        int(label) in sorted(range(8), key=lambda k: -row[k])[:rank]
        for row, label in zip(logits.tolist(), labels, strict=True)
    ]
    assert (label_margins(logits, labels, (rank,)) > 0).flatten().tolist() == expected


def test_size_is_the_distance_to_the_rank():
    margins = label_margins(torch.tensor([[4.0, 3.0, 1.0, 0.0]]), torch.tensor([1]), ranks=(1, 2, 3))
    assert margins.tolist() == [[-1.0, 2.0, 3.0]]


@pytest.fixture
def photograph(photographs):
    return Image.open(photographs / 'validation/uniform/1.png')


@pytest.mark.parametrize('name', ['resnet18.tv_in1k', 'convnext_atto.d2_in1k', 'mobilenetv2_100.ra_in1k'])
def test_centre_is_what_timm_evaluates(name, photograph):
    with torch.device('meta'):
        network = timm.create_model(name)
    data_config = DataConfig.of(network)
    ours = data_config.crop(data_config.size)(photograph)
    timms = create_transform(**resolve_data_config(model=network, use_test_size=True), normalize=False)(photograph)
    assert ours.dtype == torch.uint8
    assert torch.equal(ours, timms)


@pytest.mark.parametrize('size', [224, 256], ids=['accuracy', 'consistency'])
def test_published_data_config(size, photograph):
    data_config = DataConfig(224, 256, 'bilinear', 'center', (0.5,) * 3, (0.5,) * 3)
    published = transforms.Compose([transforms.Resize(256), transforms.CenterCrop(size), transforms.PILToTensor()])
    assert data_config.resize_for(size) == 256
    assert torch.equal(data_config.crop(size)(photograph), published(photograph))


def test_resized_side_is_exact():
    data_config = DataConfig(32, 235, 'bilinear', 'center', (0.5,) * 3, (0.5,) * 3)
    for size in range(33, 400, 7):
        resize, crop, *_ = data_config.crop(size).transforms
        assert (resize.size, crop.size) == (max(235, size), (size, size))


def test_overrides():
    network = timm.create_model('resnet18.tv_in1k', num_classes=2)
    data_config = DataConfig.of(network, img_size=96, crop_pct=0.75, interpolation='nearest')
    assert (data_config.size, data_config.resize, data_config.interpolation) == (96, 128, 'nearest')
    assert data_config.mean == network.pretrained_cfg['mean']


@pytest.mark.parametrize(
    ('overrides', 'message'),
    [
        (dict(input_size=(3, 64, 96)), 'network must take square RGB images, got an input of 3x64x96'),
        (dict(input_size=(1, 64, 64)), 'network must take square RGB images, got an input of 1x64x64'),
        (dict(crop_pct=1.25), 'crop_pct must be above 0 and at most 1, got 1.25'),
        (dict(crop_pct='1'), "crop_pct must be above 0 and at most 1, got '1'"),
        (dict(img_size='32'), "img_size must be an integer of at least 1, got '32'"),
        (dict(interpolation='linear'), "interpolation must be one of 'nearest', .* got 'linear'"),
        (dict(mean='0.5'), "mean must hold three numbers, got '0.5'"),
    ],
    ids=['rectangle', 'grey', 'crop_pct', 'crop_pct-text', 'size-text', 'interpolation', 'mean'],
)
def test_bad_data_config(overrides, message):
    with pytest.raises(ValueError, match=message):
        DataConfig.of(torch.nn.Identity(), **overrides)
