import dataclasses
import functools
import hashlib
import http.server
import threading

import pytest
import torch

from antialias_plugins.checkpoints import PUBLISHED, CheckpointError, fetch_weights

CONTENT = bytes(range(256)) * 999
DIGEST = hashlib.sha256(CONTENT).hexdigest()[:8]


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
