from dataclasses import replace

import pytest
import timm
import torch
from PIL import Image
from torchvision import transforms

from antialias_plugins.evaluation import Classifier, Preparation, ViewFolder, evaluate
from antialias_plugins.metrics import ViewPlan, draw_offsets

PREPARATION = Preparation(48, 56, 'bilinear', 'center', (0.5,) * 3, (0.25,) * 3)
PLAN = ViewPlan(max_shift=16, crop_size=48, views=3, seed=5)


@pytest.fixture
def network(photographs):
    """An untrained network that nevertheless tells crops apart: its two classes are equally likely on photographs."""
    network = timm.create_model('resnet18', num_classes=2)
    crop = transforms.Compose([transforms.RandomCrop(48), transforms.ToTensor(), transforms.Normalize(0.5, 0.25)])
    crops = torch.stack([crop(Image.open(path)) for path in sorted(photographs.rglob('*.png')) for _ in range(4)])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network(crops)
        network.eval()
        network.fc.bias -= network(crops).median(0).values
    return network


def run(network, root, plan=PLAN, **options):
    classifier = Classifier(network, PREPARATION.mean, PREPARATION.std)
    folder = ViewFolder(root, PREPARATION, plan)
    return evaluate(classifier, folder, **dict(batch_size=4, workers=0, progress=False) | options)


@torch.no_grad()
def by_hand(network, root, plan):
    """Answers to the central crop and to the views of every image, computed one by one in float64."""
    network = network.double()
    normalise = transforms.Normalize(PREPARATION.mean, PREPARATION.std)
    centres, views = [], []
    for index, path in enumerate(sorted(root.rglob('*.png'))):
        centre, frame = (
            normalise(transforms.ToTensor()(transforms.CenterCrop(size)(transforms.Resize(resize)(Image.open(path)))))
            for size, resize in ((48, 56), (64, 64))
        )
        centres.append(int(network(centre[None].double()).argmax()))
        offsets = draw_offsets(plan.seed, index, plan.max_shift, plan.views)
        views.append([int(network(frame[None, :, y : y + 48, x : x + 48].double()).argmax()) for y, x in offsets])
    network.float()
    return centres, views


def test_matches_a_loop_over_the_files(network, photographs):
    centres, views = by_hand(network, photographs, PLAN)
    labels = [0] * 3 + [1] * 4
    agree = [len(set(seen)) == 1 for seen in views]
    some = [label in seen for seen, label in zip(views, labels, strict=True)]
    both = [a and s for a, s in zip(agree, some, strict=True)]
    result = run(network, photographs)
    assert 0 < sum(agree) < 7
    assert result.accuracy['top1'][0] == sum(a == b for a, b in zip(centres, labels, strict=True)) / 7
    assert result.consistency.mean == sum(agree) / 7
    assert result.consistency.correct_mean == sum(both) / sum(some)
    assert result.consistency.images == 7


@pytest.mark.parametrize('protocol', ['per_image', 'legacy'])
def test_batch_size_and_workers_change_nothing(protocol, network, photographs):
    shared = 3 if protocol == 'legacy' else None
    plan = ViewPlan(max_shift=16, crop_size=48, protocol=protocol, batch_size=shared)
    alone = run(network, photographs, plan, batch_size=1, workers=0)
    batched = run(network, photographs, plan, batch_size=8, workers=2)
    assert batched.accuracy == alone.accuracy
    change, expected = batched.consistency.probability_change, alone.consistency.probability_change
    assert change == pytest.approx(expected, rel=1e-4)
    rounded = dict(probability_change=0, probability_change_interval=0)
    assert replace(batched.consistency, **rounded) == replace(alone.consistency, **rounded)


def test_without_labels(network, photographs):
    network.reset_classifier(11)
    result = run(network, photographs, labelled=False)
    assert (result.accuracy, result.consistency.correct_mean, result.consistency.images) == ({}, None, 7)


def test_top_five(network, photographs, tmp_path):
    for number in range(6):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / '0.png').write_bytes((photographs / 'validation/face/0.png').read_bytes())
    network.reset_classifier(6)
    network.fc.weight.data.zero_()
    network.fc.bias.data = torch.arange(6.0)
    result = run(network, tmp_path)
    # The same answer to six images of six classes: right once, and among the top five but once.
    assert (result.accuracy['top1'][0], result.accuracy['top5'][0]) == (1 / 6, 5 / 6)
    assert result.consistency.mean == 1.0


def test_number_of_classes(network, photographs):
    network.reset_classifier(3)
    with pytest.raises(ValueError, match=r'folder must have one sub-folder for each of the 3 classes .* got 2'):
        run(network, photographs)


@pytest.mark.parametrize('workers', [0, 1])
def test_unreadable_image(workers, network, photographs, tmp_path):
    for name in ('a', 'b'):
        (tmp_path / name).mkdir()
        (tmp_path / name / '0.png').write_bytes((photographs / 'validation/face/0.png').read_bytes())
    (tmp_path / 'b' / '1.png').write_text('no image')
    with pytest.raises(ValueError, match=r'images must be readable, got .*b/1.png: cannot identify image file'):
        run(network, tmp_path, workers=workers)


def test_overflow_is_an_error(network, photographs):
    network.fc.bias.data.fill_(torch.nan)
    with pytest.raises(ValueError, match='logits must be finite'):
        run(network, photographs)
