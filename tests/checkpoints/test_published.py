import dataclasses
import hashlib
import http.server
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from antialias_plugins.checkpoints import PUBLISHED, CheckpointError, fetch_weights, published

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


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT under all names but none-*, in parts too, and as its name says: cut-*, stalling-*, another-*."""

    def do_GET(self):
        kind = self.path.strip('/').partition('-')[0]
        self.server.asked.append((kind, self.headers.get('Range')))
        if kind == 'none':
            self.send_error(404)
            return
        start = int((self.headers.get('Range') or 'bytes=0-')[6:-1]) if kind != 'wholes' else 0
        if start >= len(CONTENT):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        self.send_header('Content-Length', str(len(CONTENT) - start))
        self.end_headers()
        if kind == 'slow':
            self.server.released.wait(0.6)
        first = start == 0 and kind in ('cut', 'stalling')
        self.wfile.write(CONTENT[start : start + 1000] if first else CONTENT[start:])
        if kind == 'stalling' and first:
            self.server.released.wait(30)

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
    server.asked, server.released = [], threading.Event()
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def site(server):
    return f'http://127.0.0.1:{server.server_port}'


def visible(folder):
    return [path.name for path in folder.iterdir() if not path.name.startswith('.')]


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
    [
        ('net', '00000000', 'another digest: .*expected 00000000'),
        ('cut', DIGEST, 'ended after 1000 of 255744 bytes'),
        ('stalling', DIGEST, 'timed out'),
        ('none', DIGEST, '404'),
    ],
    ids=['another file', 'cut', 'stalling', 'no such file'],
)
def test_a_download_that_fails_is_not_taken_for_whole_and_names_another_way(
    name, digest, cause, site, tmp_path, monkeypatch
):
    monkeypatch.setattr(published, '_TIMEOUT', 0.5)
    wanted = weights(site, name, digest)
    with pytest.raises(CheckpointError, match=cause) as caught:
        fetch_weights(wanted, tmp_path)
    message = str(caught.value)
    assert wanted.url in message
    assert f'SHA-256 {digest}' in message
    assert "pretrained_cfg_overlay=dict(file='FILE')" in message
    assert f"antialias_plugins.checkpoints.load_checkpoint(model, 'FILE', sha256='{digest}')" in message
    assert visible(tmp_path) == []


def test_no_server_at_all(tmp_path):
    with pytest.raises(CheckpointError, match='could not be downloaded'):
        fetch_weights(weights('http://127.0.0.1:9'), tmp_path)


@pytest.mark.parametrize('name', ['cut', 'stalling'])
def test_a_download_goes_on_where_it_broke_off(name, server, site, tmp_path, monkeypatch):
    monkeypatch.setattr(published, '_TIMEOUT', 0.5)
    with pytest.raises(CheckpointError):
        fetch_weights(weights(site, name), tmp_path)
    assert fetch_weights(weights(site, name), tmp_path).read_bytes() == CONTENT
    assert server.asked == [(name, None), (name, 'bytes=1000-')]


@pytest.mark.parametrize(
    ('name', 'left'),
    [('wholes', CONTENT[:99]), ('net', CONTENT), ('net', CONTENT + b'more')],
    ids=['no parts', 'all', 'too much'],
)
def test_what_cannot_be_gone_on_with_is_downloaded_anew(name, left, site, tmp_path):
    (tmp_path / f'.{name}-{DIGEST}.pth.download').write_bytes(left)
    assert fetch_weights(weights(site, name), tmp_path).read_bytes() == CONTENT


def test_the_rest_of_another_file_is_not_taken(site, tmp_path):
    (tmp_path / f'.net-{DIGEST}.pth.download').write_bytes(b'another')
    with pytest.raises(CheckpointError, match='another digest'):
        fetch_weights(weights(site), tmp_path)
    assert fetch_weights(weights(site), tmp_path).read_bytes() == CONTENT


FETCH = """
import dataclasses, pathlib, sys
from antialias_plugins.checkpoints import published
from antialias_plugins.checkpoints import PUBLISHED, fetch_weights
entry = dataclasses.replace(PUBLISHED['resnet50_lpf4.adobe_ft_in1k'], url=sys.argv[1], sha256=sys.argv[2])
print('ready', flush=True)
fetch_weights(entry, sys.argv[3])
"""


@pytest.mark.parametrize('kill', ['SIGTERM', 'SIGKILL'])
def test_a_killed_download_is_gone_on_with(kill, server, site, tmp_path):
    url = weights(site, 'stalling').url
    process = subprocess.Popen([sys.executable, '-c', FETCH, url, DIGEST, tmp_path], stderr=subprocess.DEVNULL)
    partial = tmp_path / f'.stalling-{DIGEST}.pth.download'
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.stat().st_size == 1000) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(getattr(signal, kill))
    assert process.wait(30) != 0
    assert visible(tmp_path) == []
    server.released.set()
    assert fetch_weights(weights(site, 'stalling'), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == ('stalling', 'bytes=1000-')


def test_a_second_one_waits_for_the_first_and_takes_its_file(server, site, tmp_path, capfd):
    with ThreadPoolExecutor(2) as pool:  # for locks, threads are what processes are
        paths = list(pool.map(lambda _: fetch_weights(weights(site, 'slow'), tmp_path), range(2)))
    assert server.asked == [('slow', None)] and paths[0] == paths[1] and paths[0].read_bytes() == CONTENT
    assert f'{paths[0]}: another process is at work on it; waiting for it to end' in capfd.readouterr().err


@pytest.mark.parametrize('wrong', ['resnet50_lpf4.adobe_ft_in1k', None])
def test_what_is_no_entry_is_named(wrong, tmp_path):
    with pytest.raises(ValueError, match='weights must be an entry of PUBLISHED, got'):
        fetch_weights(wrong, tmp_path)


def test_weights_without_a_digest_have_to_be_fetched_by_hand(tmp_path):
    with pytest.raises(CheckpointError, match='cannot be downloaded automatically') as caught:
        fetch_weights(PUBLISHED['resnet101_ddac3.zou_in1k'], tmp_path)
    assert 'https://drive.google.com/file/d/1oky8pbqHiINit9-0Ybu-JZQdZkEIUxry/view' in str(caught.value)
    assert "softmax='joint', groups=8" in str(caught.value)
    assert list(tmp_path.iterdir()) == []
