import copy
import dataclasses
import hashlib
import re
import warnings
from urllib.error import URLError

import antialiased_cnns
import pytest
import timm
import torch
from timm.models import adapt_input_conv, save_for_hf
from timm.models.resnet import ResNet
from torch import nn

from antialias_plugins import AntialiasWarning
from antialias_plugins.checkpoints import PUBLISHED, CheckpointError
from antialias_plugins.timm_models import WeightsLicenseWarning, weights
from tests.timm_models.parity import randomise

LICENSED = pytest.mark.filterwarnings('ignore::antialias_plugins.timm_models.WeightsLicenseWarning')


def images():
    return torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0)).double()


def assert_same(actual, expected):
    """Logits or maps of the same network in float64; our filters add up their taps in another order."""
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12 * expected.abs().max().item())


def save_published(path, name='resnet18', **kwargs):
    """Random weights in a file such as those that were published, and the network that they are of."""
    network = getattr(antialiased_cnns, name)(filter_size=4, **kwargs)
    randomise(network)
    torch.save({'state_dict': network.state_dict()}, path)
    return network.double().eval()


@pytest.fixture(scope='module')
def published(tmp_path_factory):
    path = tmp_path_factory.mktemp('published') / 'resnet18_lpf4.pth'
    torch.manual_seed(0)
    return path, save_published(path)


def pretrained(name, path, **kwargs):
    return (
        timm.create_model(name, pretrained=True, pretrained_cfg_overlay={'file': str(path)}, **kwargs).double().eval()
    )


@pytest.fixture
def known(published, monkeypatch):
    """As if the file were each of the published ones of its network."""
    digest = hashlib.sha256(published[0].read_bytes()).hexdigest()
    entries = {key: dataclasses.replace(entry, sha256=digest[:8]) for key, entry in PUBLISHED.items() if entry.sha256}
    monkeypatch.setattr(weights, 'PUBLISHED', {**PUBLISHED, **entries})


@LICENSED
def test_local_file(published):
    path, network = published
    model = pretrained('resnet18_lpf4', path)
    assert_same(model(images()), network(images()))
    assert 'state_dict' not in model.pretrained_cfg and model.pretrained_cfg['tag'] == 'adobe_ft_in1k'


@LICENSED
@pytest.mark.parametrize('options', [{}, {'num_classes': 5, 'in_chans': 1}, {'features_only': True}], ids=str)
def test_one_network_is_built(published, monkeypatch, options):
    built, build = [], ResNet.__init__
    monkeypatch.setattr(ResNet, '__init__', lambda *args, **kwargs: built.append(1) or build(*args, **kwargs))
    pretrained('resnet18_lpf4', published[0], **options)
    assert len(built) == 1


@LICENSED
def test_a_dilated_network_is_not_asked_for_the_filters_that_it_drops(published):
    with warnings.catch_warnings():
        warnings.simplefilter('error', AntialiasWarning)
        pretrained('resnet18_lpf4', published[0], output_stride=8)
    with pytest.warns(AntialiasWarning, match='trained with 7 filters; the network has 8'):
        pretrained('resnet18_lpf4', published[0], stem=True)


@LICENSED
def test_other_classes_and_channels_are_adapted_by_timm(published):
    path, network = published
    model = pretrained('resnet18_lpf4', path, num_classes=10, in_chans=1)
    assert model(images()[:, :1]).shape == (2, 10)
    torch.testing.assert_close(model.conv1.weight, adapt_input_conv(1, network.conv1.weight))
    assert torch.equal(model.layer4[1].conv2.weight, network.layer4[1].conv2.weight)


@LICENSED
def test_features(published):
    path, network = published
    last = pretrained('resnet18_lpf4', path, features_only=True, out_indices=(4,))(images())[0]
    assert_same(network.fc(last.mean((2, 3))), network(images()))


@LICENSED
def test_features_of_mobilenet(tmp_path):
    network = save_published(tmp_path / 'mobilenet.pth', 'mobilenet_v2')
    last = pretrained('mobilenet_v2_lpf4', tmp_path / 'mobilenet.pth', features_only=True)(images())[-1]
    assert_same(last, network.features[:-1](images()))


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        (
            'resnet18_lpf4',
            "weights 'adobe_ft_in1k', the default tag (also published: 'adobe_in1k'); their licence is CC BY-NC-SA 4.0",
        ),
        (
            'resnet18_lpf4.adobe_in1k',
            "weights 'adobe_in1k' (also published: 'adobe_ft_in1k'); their licence is CC BY-NC-SA 4.0",
        ),
        ('resnet18_lpf3', "weights 'adobe_in1k', the default tag; their licence is CC BY-NC-SA 4.0"),
    ],
)
@pytest.mark.filterwarnings('ignore::antialias_plugins.AntialiasWarning')  # the file's filters have 4 taps
def test_the_user_is_told_which_weights_these_are(published, known, name, message):
    with pytest.warns(WeightsLicenseWarning) as record:
        pretrained(name, published[0])
    said = [str(warning.message) for warning in record if warning.category is WeightsLicenseWarning]
    assert said == [f'{name.partition(".")[0]} takes the {message}']


@pytest.mark.parametrize('name', ['resnet18_lpf4.adobe_ft_in1k', 'resnet18_lpf4.adobe_in1k'])
def test_a_tag_that_is_named_must_be_that_of_the_file(name, published):
    path = published[0]
    digest, expected = hashlib.sha256(path.read_bytes()).hexdigest(), PUBLISHED[name].sha256
    with pytest.raises(CheckpointError, match=rf'{path}: SHA-256 {digest}, expected {expected}.*leave the tag out'):
        pretrained(name, path)


def test_the_name_of_a_published_file_must_be_its_own(published, tmp_path):
    path = tmp_path / 'resnet18_lpf4_finetune-8cc58f59.pth'
    path.write_bytes(published[0].read_bytes())
    with pytest.raises(CheckpointError, match=rf'{path.name}: SHA-256 [0-9a-f]{{64}}, expected 8cc58f59'):
        pretrained('resnet18_lpf4', path)


@pytest.mark.parametrize(
    ('name', 'options'),
    [
        ('resnet18_lpf4', {}),
        ('resnet18_lps3', {'out_indices': (1, 2)}),
        ('resnet18_ddac3', {'output_stride': 16}),
        ('vgg11_bn_lpf4', {}),
        ('densenet121_lpf4', {}),
        ('mobilenet_v2_lpf4', {}),
        ('alexnet_lpf4', {}),
    ],
    ids=str,
)
def test_a_checkpoint_of_the_whole_network_fits_its_features(name, options, tmp_path):
    network = timm.create_model(name)
    randomise(network)
    torch.save(network.state_dict(), tmp_path / 'own.pth')
    path = str(tmp_path / 'own.pth')
    features = timm.create_model(name, checkpoint_path=path, features_only=True, **options).double().eval()
    overlay = {'pretrained_cfg_overlay': {'file': path, 'tag': ''}}
    expected = timm.create_model(name, pretrained=True, features_only=True, **overlay, **options).double().eval()
    for actual, wanted in zip(copy.deepcopy(features)(images()), expected(images()), strict=True):
        assert_same(actual, wanted)
    with pytest.raises(RuntimeError, match='Unexpected key'):
        features.load_state_dict({**network.state_dict(), 'stranger.weight': torch.zeros(1)})


@pytest.mark.parametrize('name', ['resnet101_ddac3', 'resnet18_lps3', 'resnet50_lps3'])
def test_a_file_in_our_layout_is_nobody_elses(name, tmp_path):
    """Though the digest of the published file is not known: its network is the one of the name, not the published."""
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        model = pretrained(name, _own(tmp_path, name))
    assert repr(model) == repr(timm.create_model(name).double().eval())


def test_a_file_of_ones_own_has_no_licence_of_theirs(published, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        pretrained('resnet18_lpf4', published[0])
    torch.save(timm.create_model('resnet18').state_dict(), tmp_path / 'own.pth')
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        model = timm.create_model('resnet18_lpf4', checkpoint_path=tmp_path / 'own.pth')
        assert pretrained('resnet18_aps2', _own(tmp_path, 'resnet18_aps2')).num_classes == 1000
    assert model.num_classes == 1000


def _own(folder, name):
    torch.save(timm.create_model(name).state_dict(), folder / f'{name}.pth')
    return folder / f'{name}.pth'


def test_without_a_network_the_error_says_what_to_do(monkeypatch, tmp_path):
    def fail(*args, **kwargs):
        raise URLError('no network')

    monkeypatch.setattr('antialias_plugins.checkpoints.published.urlopen', fail)
    known = PUBLISHED['resnet18_lpf4.adobe_ft_in1k']
    with pytest.raises(CheckpointError) as error:
        timm.create_model('resnet18_lpf4', pretrained=True, cache_dir=tmp_path)
    for part in (known.url, known.sha256, 'no network', "pretrained_cfg_overlay=dict(file='FILE')"):
        assert part in str(error.value)
    assert [path for path in tmp_path.iterdir() if not path.name.startswith('.')] == []


def test_a_download_is_kept_and_its_hash_is_always_checked(monkeypatch, published, tmp_path):
    path, network = published
    digest, key = hashlib.sha256(path.read_bytes()).hexdigest(), 'resnet18_lpf4.adobe_ft_in1k'
    entry = dataclasses.replace(PUBLISHED[key], url=path.as_uri(), sha256=digest[:8])
    monkeypatch.setattr(weights, 'PUBLISHED', {**PUBLISHED, key: entry})
    options = {'pretrained': True, 'cache_dir': tmp_path, 'pretrained_cfg_overlay': {'url': path.as_uri()}}
    for _ in range(2):
        with pytest.warns(WeightsLicenseWarning):
            model = timm.create_model('resnet18_lpf4', **options).double().eval()
        assert_same(model(images()), network(images()))
    (tmp_path / path.name).write_bytes(b'something else')
    with pytest.raises(CheckpointError, match=f'expected {digest[:8]}'):
        timm.create_model('resnet18_lpf4', **options)


def test_a_name_without_published_weights():
    with pytest.raises(RuntimeError, match='No pretrained weights exist for resnet18_ddac3'):
        timm.create_model('resnet18_ddac3', pretrained=True)


@pytest.fixture(scope='module')
def ddac(tmp_path_factory):
    """Stands for the file of Zou et al.: weights that were trained with a softmax over all groups."""
    torch.manual_seed(0)
    network = timm.create_model('resnet101_ddac3', softmax='joint')
    randomise(network)
    path = tmp_path_factory.mktemp('ddac') / 'resnet101_ddac3.pth'
    torch.save({'state_dict': {f'module.{_zou(key)}': value for key, value in network.state_dict().items()}}, path)
    return path, network.double().eval()


def _zou(key):
    """Their name of a parameter of a ResNet of bottlenecks: filters are members of a Sequential."""
    for pattern, name in (
        (r'maxpool\.aa', 'maxpool.1'),
        (r'(layer[234]\.0\.downsample)\.(\d)(?!\.aa)', lambda match: f'{match[1]}.{int(match[2]) + 1}'),
        (r'(layer[234]\.0\.downsample\.0)\.aa', r'\1'),
        (r'(layer[234]\.0\.conv3)', r'\1.1'),
        (r'(layer[234]\.0)\.aa', r'\1.conv3.0'),
    ):
        key = re.sub(f'^{pattern}', name, key)
    return key


def test_published_adaptive_weights_bring_their_softmax(ddac, tmp_path):
    path, network = ddac
    with pytest.warns(WeightsLicenseWarning, match="'zou_in1k', the default tag; their authors state no licence"):
        model = pretrained('resnet101_ddac3', path)
    assert_same(model(images()), network(images()))
    assert timm.create_model('resnet18_ddac3').layer2[0].aa.softmax == 'group'
    save_for_hf(model, tmp_path)
    again = timm.create_model(f'local-dir:{tmp_path}', pretrained=True).double().eval()
    assert_same(again(images()), network(images()))


@LICENSED
def test_published_adaptive_weights_fit_a_dilated_network(ddac):
    path, network = ddac
    model = pretrained('resnet101_ddac3', path, features_only=True, output_stride=16, out_indices=(3,))
    assert_same(model(images())[0], network.forward_intermediates(images(), [3])[1][0])


@pytest.mark.parametrize(('argument', 'value', 'needed'), [('softmax', 'group', 'joint'), ('groups', 4, 8)])
def test_published_adaptive_weights_refuse_other_filters(ddac, argument, value, needed):
    message = f'{argument} must be {needed!r} with the weights resnet101_ddac3.zou_in1k, got {value!r}'
    with pytest.raises(ValueError, match=message):
        pretrained('resnet101_ddac3', ddac[0], **{argument: value})


@LICENSED
def test_a_network_saved_for_the_hub_loads_back(published, tmp_path):
    model = pretrained('resnet18_lpf4', published[0], num_classes=10)
    save_for_hf(model, tmp_path)
    again = timm.create_model(f'local-dir:{tmp_path}', pretrained=True).double().eval()
    assert torch.equal(again(images()), model(images()))


@pytest.mark.parametrize('content', [b'', b'<html>404</html>'])
def test_files_that_are_no_weights_are_refused(tmp_path, content):
    (tmp_path / 'file.pth').write_bytes(content)
    with pytest.raises(CheckpointError, match=r'file\.pth'):
        pretrained('resnet18_lpf4', tmp_path / 'file.pth')


def test_weights_of_another_network_are_refused(tmp_path):
    torch.save(nn.Linear(2, 3).state_dict(), tmp_path / 'linear.pth')
    with pytest.raises(CheckpointError, match='left over in the file: weight, bias'):
        pretrained('resnet18_lpf4', tmp_path / 'linear.pth')
