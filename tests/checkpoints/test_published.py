import dataclasses
import functools
import hashlib
import http.server
import re
import threading
from collections import Counter

import pytest
import torch

from antialias_plugins.checkpoints import PUBLISHED, CheckpointError, fetch_weights

BUCKET = 'https://antialiased-cnns.s3.us-east-2.amazonaws.com/weights_v0.1'
CONTENT = bytes(range(256)) * 999
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]


@pytest.mark.parametrize(
    ('key', 'file'),
    {
        'alexnet_lpf2.adobe_in1k': 'alexnet_lpf2-da8aca74.pth',
        'vgg16_bn_lpf4.adobe_in1k': 'vgg16_bn_lpf4-a1c3559b.pth',
        'mobilenet_v2_lpf5.adobe_in1k': 'mobilenet_v2_lpf5-ab8fe968.pth',
        'resnet50_lpf4.adobe_ft_in1k': 'resnet50_lpf4_finetune-cad66808.pth',
        'densenet161_lpf4.adobe_ft_in1k': 'densenet161_lpf4_finetune-a5e0f328.pth',
        'wide_resnet101_2_lpf4.adobe_ft_in1k': 'wide_resnet101_2_lpf4_finetune-da4eae04.pth',
    }.items(),
)
def test_urls(key, file):
    assert PUBLISHED[key].url == f'{BUCKET}/{file}'
    assert PUBLISHED[key].sha256 == file[-12:-4]


def test_counts():
    assert Counter(weights.tag for weights in PUBLISHED.values()) == {
        'adobe_in1k': 36,
        'adobe_ft_in1k': 23,
        'zou_in1k': 2,
        'rojas_in1k': 4,
        'rojas_ddac_in1k': 2,
    }
    digests = [weights.sha256 for weights in PUBLISHED.values() if weights.sha256]
    assert len(set(digests)) == 59
    assert all(re.fullmatch('[0-9a-f]{8}', digest) for digest in digests)


def test_keys_are_names_with_tags():
    assert all(key == f'{weights.name}.{weights.tag}' for key, weights in PUBLISHED.items())


def test_figures_are_percentages_and_longer_filters_are_more_consistent():
    for weights in (weights for weights in PUBLISHED.values() if weights.accuracy):
        assert 55 < weights.accuracy < weights.consistency < 100, weights
    two, five = (PUBLISHED[f'resnet50_lpf{k}.adobe_in1k'] for k in (2, 5))
    assert (two.accuracy, two.consistency, five.accuracy, five.consistency) == (76.81, 89.96, 77.04, 91.31)


def test_adaptive_weights_say_what_they_need():
    weights = PUBLISHED['resnet101_ddac3.zou_in1k']
    assert weights.model_args == {'softmax': 'joint', 'groups': 8}
    assert weights.license is None
    with pytest.raises(TypeError):
        weights.model_args['groups'] = 2


@pytest.mark.parametrize(
    ('key', 'file', 'arguments'),
    [
        ('resnet18_lps1.rojas_in1k', 'ResNet18_LPS_circular_basic', {'padding': 'circular'}),
        ('resnet50_lps3.rojas_in1k', 'ResNet50_LPS_LPF3_zero_randomresized', {'padding': 'pools', 'stem': 'lps1'}),
        (
            'resnet101_lps3.rojas_ddac_in1k',
            'ResNet101_LPS_DDAC3_zero_randomresized',
            {'padding': 'pools', 'stem': 'lps1', 'adaptive': {'groups': 8, 'softmax': 'joint'}},
        ),
    ],
)
def test_files_of_a_folder_are_named(key, file, arguments):
    weights = PUBLISHED[key]
    assert (weights.file, weights.model_args) == (f'{file}.ckpt', arguments)
    assert weights.url == 'https://uofi.box.com/s/pql7u3c7x8zifp0m46xhe2uduwwazcad'
    assert (weights.sha256, weights.accuracy) == (None, None)


class Handler(http.server.SimpleHTTPRequestHandler):
    """Serves files, and breaks off in the middle of those called cut-*."""

    def copyfile(self, source, outputfile):
        outputfile.write(source.read() if 'cut' not in self.path else source.read()[:1000])

    def log_message(self, *args):
        pass


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp('site')
    for name in (f'net-{DIGEST}.pth', 'net-00000000.pth', f'cut-{DIGEST}.pth'):
        (folder / name).write_bytes(CONTENT)
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Handler, directory=folder))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


def weights(site, name='net', digest=DIGEST):
    return dataclasses.replace(
        PUBLISHED['resnet50_lpf4.adobe_ft_in1k'], url=f'{site}/{name}-{digest}.pth', sha256=digest
    )


def test_file_is_downloaded_once_into_the_hub_cache(site, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path))
    path = fetch_weights(weights(site))
    assert path == tmp_path / 'checkpoints' / f'net-{DIGEST}.pth'
    assert path.read_bytes() == CONTENT
    written = path.stat().st_mtime_ns
    assert fetch_weights(weights(site)) == path
    assert path.stat().st_mtime_ns == written


def test_file_goes_where_it_is_asked_to(site, tmp_path):
    assert fetch_weights(weights(site), tmp_path / 'new') == tmp_path / 'new' / f'net-{DIGEST}.pth'


def test_a_file_in_the_cache_is_checked_and_kept(site, tmp_path):
    path = tmp_path / f'net-{DIGEST}.pth'
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(CheckpointError, match=f'expected {DIGEST}.*delete it to have .* downloaded again'):
        fetch_weights(weights(site), tmp_path)
    assert path.read_bytes() == CONTENT[:-1]


@pytest.mark.parametrize(
    ('name', 'digest', 'cause'),
    [('net', '00000000', 'invalid hash value'), ('cut', DIGEST, ''), ('none', DIGEST, '404')],
    ids=['another file', 'interrupted', 'no such file'],
)
def test_a_download_that_fails_leaves_nothing_and_names_another_way(name, digest, cause, site, tmp_path):
    wanted = weights(site, name, digest)
    with pytest.raises(CheckpointError, match=cause) as caught:
        fetch_weights(wanted, tmp_path)
    message = str(caught.value)
    assert wanted.url in message
    assert f'SHA-256 {digest}' in message
    assert "pretrained_cfg_overlay=dict(file='FILE')" in message
    assert f"antialias_plugins.checkpoints.load_checkpoint(model, 'FILE', sha256='{digest}')" in message
    assert list(tmp_path.iterdir()) == []


def test_no_server_at_all(tmp_path):
    with pytest.raises(CheckpointError, match='could not be downloaded'):
        fetch_weights(weights('http://127.0.0.1:9'), tmp_path)


def test_an_interruption_by_hand_leaves_nothing(site, tmp_path, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(torch.hub.tqdm, 'update', interrupt)
    with pytest.raises(KeyboardInterrupt):
        fetch_weights(weights(site), tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_weights_without_a_digest_have_to_be_fetched_by_hand(tmp_path):
    with pytest.raises(CheckpointError, match='cannot be downloaded automatically') as caught:
        fetch_weights(PUBLISHED['resnet101_ddac3.zou_in1k'], tmp_path)
    assert 'https://drive.google.com/file/d/1oky8pbqHiINit9-0Ybu-JZQdZkEIUxry/view' in str(caught.value)
    assert "softmax='joint', groups=8" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
