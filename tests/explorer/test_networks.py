from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from antialias_plugins.evaluation import parse_model
from antialias_plugins.explorer import PageSegmentor, load_network, load_networks
from antialias_plugins.explorer.networks import check_pair
from lab import toyscapes
from tests.explorer.conftest import CLASSES, PALETTE

CONFIG = Path(__file__).parents[2] / 'configs/deeplabv3plus/deeplabv3plus_r18-d16_1xb4-250_toyscapes-96x192.py'


def test_a_classifier_computes_what_timm_computes(photograph):
    network = load_network('resnet18', size=64, seed=3, device='cpu')
    frame = network.prepare(Image.open(photograph), 8)
    assert (frame.shape, frame.dtype) == ((3, 72, 72), torch.uint8)
    torch.manual_seed(3)
    twin = timm.create_model('resnet18').eval()
    view = frame[:, 2:66, 5:69]
    mean, std = (torch.tensor(twin.default_cfg[name]).view(3, 1, 1) for name in ('mean', 'std'))
    with torch.no_grad():
        expected = twin(((view / 255 - mean) / std)[None])[0]
    torch.testing.assert_close(network.predict(view), expected, rtol=1e-4, atol=1e-4)
    assert (network.name, network.input_size, len(network.classes)) == ('resnet18 (random weights)', 64, 1000)
    assert network.classes[0] == 'tench'


def test_a_classifier_is_described_by_the_names_of_its_classes():
    network = load_network('resnet18', size=32, device='cpu')
    logits = torch.zeros(3, 1000)
    logits[[0, 1, 2], [0, 1, 0]] = 5
    shown = network.describe(logits, [(0, 0), (1, 1), (2, 2)])
    assert (shown['label'], shown['watched']) == (['tench', 'goldfish', 'tench'], 'tench')
    assert (shown['agreement'], shown['mean']) == ((1, 0, 1), [None, 0, 0.5])


def test_a_checkpoint_names_the_network_and_fills_it(tmp_path):
    torch.manual_seed(7)
    weights = timm.create_model('resnet18').state_dict()
    torch.save(weights, tmp_path / 'mine.pth')
    network = load_network('resnet18', tmp_path / 'mine.pth', device='cpu')
    assert network.name == 'resnet18 (mine)'
    assert (network.classifier.network.state_dict()['fc.weight'] == weights['fc.weight']).all()


def test_networks_see_the_same_pixels_where_their_own_sizes_differ():
    """A network of timm's recent trainings is tested at 288 pixels, the published antialiased ones at 224."""
    models = [parse_model(name, pretrained=False) for name in ('resnet18', 'resnet18_lpf4')]
    assert [load_network(model).input_size for model in models] == [288, 224]
    networks = load_networks(models, names=['plain', 'smooth'])
    assert [(network.name, network.input_size) for network in networks] == [('plain', 224), ('smooth', 224)]
    check_pair(*networks)
    assert [network.input_size for network in load_networks(models, size=64)] == [64, 64]


@pytest.fixture
def images(monkeypatch):
    """The images that mmseg gets from here on; it predicts their first channel."""
    apis = pytest.importorskip('mmseg.apis')
    seen = []

    def inference_model(segmentor, image):
        seen.append(image)
        maps = torch.from_numpy(image[None, ..., 0].astype(np.int64))
        return SimpleNamespace(pred_sem_seg=SimpleNamespace(data=maps))

    monkeypatch.setattr(apis, 'inference_model', inference_model)
    return seen


def test_mmseg_gets_bgr(images):
    view = torch.randint(len(CLASSES), (3, 6, 9), dtype=torch.uint8)
    prediction = PageSegmentor('a', CLASSES, PALETTE, None, None).predict(view)
    assert (images[0] == view.permute(1, 2, 0).numpy()[..., ::-1]).all()
    assert (prediction == view[2]).all()


def test_a_class_without_a_name_is_an_error(images):
    view = torch.full((3, 6, 9), len(CLASSES), dtype=torch.uint8)
    with pytest.raises(ValueError, match='a must predict one of its 4 classes, got 4'):
        PageSegmentor('a', CLASSES, PALETTE, None, None).predict(view)


@pytest.mark.parametrize(
    ('arguments', 'options', 'message'),
    [
        (['resnet81'], {}, "name must be a timm network, got 'resnet81'"),
        (['resnet18'], {'size': 0}, 'size must be at least 1, got 0'),
        (['resnet18'], {'device': 'nowhere'}, 'device must be one that this machine has, got nowhere'),
        (['a.py'], {}, r'a config must come with its checkpoint, .* got .a\.py'),
        (['a.py', 'b.pth'], {}, r'config must be a file, got a\.py'),
        (['a.py', 'b.pth'], {'pretrained': True}, r'pretrained must be False .* got a\.py'),
        (['.', 'b.pth'], {}, r'checkpoint must be None for a work dir, which has its own, got b\.pth'),
    ],
    ids=['name', 'size', 'device', 'no checkpoint', 'no config', 'pretrained', 'work dir with checkpoint'],
)
def test_what_is_wrong_is_named(arguments, options, message):
    with pytest.raises(ValueError, match=message):
        load_network(*arguments, **options)


@pytest.fixture(scope='module')
def training(tmp_path_factory):
    """A work dir as mmengine's runner leaves it, with weights that nobody trained."""
    apis = pytest.importorskip('mmseg.apis')
    from mmengine.config import Config

    folder = tmp_path_factory.mktemp('quickstart') / 'baseline'
    folder.mkdir()
    Config.fromfile(CONFIG).dump(folder / CONFIG.name)
    weights = apis.init_model(str(CONFIG), device='cpu').state_dict()
    meta = {'dataset_meta': {'classes': toyscapes.CLASSES, 'palette': toyscapes.PALETTE}}
    torch.save({'state_dict': weights, 'meta': meta}, folder / 'iter_250.pth')
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_250.pth'))
    return folder


@pytest.mark.parametrize('kind', ['work dir', 'config'])
def test_a_segmentor_has_the_weights_and_the_classes_of_its_checkpoint(kind, training):
    checkpoint = training / 'iter_250.pth'
    source = [str(training)] if kind == 'work dir' else [str(CONFIG), checkpoint]
    network = load_network(*source, device='cpu', seed=5)
    assert (network.name, network.task) == ('baseline' if kind == 'work dir' else CONFIG.stem, 'segmentation')
    assert (network.classes, network.palette) == (toyscapes.CLASSES, toyscapes.PALETTE)
    for name, value in torch.load(checkpoint, weights_only=False)['state_dict'].items():
        assert (network.network.state_dict()[name] == value).all()


@pytest.mark.parametrize(
    ('device', 'change', 'message'),
    [
        ('cpu', {'decode_head.conv_seg.bias': None}, r'half\.pth and cpu: .* missing keys .*decode_head.conv_seg.bias'),
        ('cpu', {'more': torch.zeros(1)}, r'half\.pth and cpu: .* unexpected key.*more'),
        ('nowhere', {}, r'half\.pth and nowhere: '),
    ],
    ids=['missing', 'unexpected', 'device'],
)
def test_weights_that_do_not_fit_are_an_error(device, change, message, training, tmp_path):
    content = torch.load(training / 'iter_250.pth', weights_only=False)
    weights = content['state_dict'] | change
    content['state_dict'] = {name: value for name, value in weights.items() if value is not None}
    torch.save(content, tmp_path / 'half.pth')
    with pytest.raises(ValueError, match=f'checkpoint and device must fit, got .*{message}'):
        load_network(str(CONFIG), tmp_path / 'half.pth', device=device)


def test_a_folder_without_a_training_is_named(tmp_path):
    pytest.importorskip('mmseg')
    with pytest.raises(ValueError, match='network must be a finished training where it is a folder, got'):
        load_network(str(tmp_path))
