import argparse
import functools
import hashlib
import io
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from antialias_plugins.checkpoints import CheckpointError, read_checkpoint
from antialias_plugins.checkpoints.read import read_content

WEIGHTS = {'conv.weight': torch.arange(24.0).view(2, 3, 2, 2), 'bn.num_batches_tracked': torch.tensor(3)}

WRAPPERS = ('state_dict', 'model', 'model_state_dict', 'model_state', 'state_dict_ema', 'model_ema')


def assert_weights(state_dict):
    assert list(state_dict) == list(WEIGHTS)
    assert all(torch.equal(state_dict[key], value) for key, value in WEIGHTS.items())


def prefixed(prefix):
    return {f'{prefix}{key}': value for key, value in WEIGHTS.items()}


@pytest.mark.parametrize(
    'content',
    [
        WEIGHTS,
        prefixed('module.'),
        *({key: WEIGHTS, 'epoch': 3} for key in WRAPPERS),
        {'model': {'state_dict': prefixed('module.')}},
    ],
    ids=['plain', 'module', *WRAPPERS, 'nested'],
)
@pytest.mark.parametrize('zipped', [True, False], ids=['zip', 'legacy'])
def test_weights_are_unwrapped(content, zipped, tmp_path):
    torch.save(content, tmp_path / 'net.pth.tar', _use_new_zipfile_serialization=zipped)
    assert_weights(read_checkpoint(tmp_path / 'net.pth.tar'))


@pytest.mark.parametrize('home', [b'numpy.core.multiarray', b'numpy._core.multiarray'], ids=['numpy 1', 'numpy 2'])
def test_a_score_of_numpy_may_lie_beside_the_weights(home, tmp_path):
    """Other training scripts save their best score; the bytes say in which module NumPy had its function then."""
    if home == b'numpy._core.multiarray' and np.lib.NumpyVersion(np.__version__) < '2.0.0':
        pytest.skip('that module is of NumPy 2')
    file = io.BytesIO()
    torch.save({'model_state': WEIGHTS, 'best_score': np.float64(0.5)}, file, _use_new_zipfile_serialization=False)
    written = file.getvalue()
    own = np.float64(0).__reduce__()[0].__module__.encode()
    assert written.count(own) == 1
    (tmp_path / 'net.pth').write_bytes(written.replace(own, home))
    assert_weights(read_checkpoint(tmp_path / 'net.pth'))


def test_safetensors(tmp_path):
    save_file(WEIGHTS, tmp_path / 'net.safetensors')
    state_dict = read_checkpoint(tmp_path / 'net.safetensors')
    assert_weights({key: state_dict[key] for key in WEIGHTS})  # the format sorts


def test_averaged_weights_come_first(tmp_path, caplog):
    torch.save({'state_dict': {'other': torch.zeros(1)}, 'state_dict_ema': WEIGHTS}, tmp_path / 'net.pth')
    with caplog.at_level('INFO'):
        assert_weights(read_checkpoint(tmp_path / 'net.pth'))
    assert "state_dict_ema, state_dict; 'state_dict_ema' is taken" in caplog.text


def test_a_prefix_that_not_every_key_has_stays(tmp_path):
    content = {'module.a': torch.zeros(1), 'b': torch.zeros(1)}
    torch.save(content, tmp_path / 'net.pth')
    assert list(read_checkpoint(tmp_path / 'net.pth')) == list(content)


@pytest.mark.skipif(not hasattr(torch.serialization, 'safe_globals'), reason='this torch cannot allow single types')
def test_checkpoint_of_timms_training_script(tmp_path):
    content = {
        'state_dict': WEIGHTS,
        'args': argparse.Namespace(lr=0.1),
        'optimizer': {'state': {}, 'param_groups': []},
    }
    torch.save(content, tmp_path / 'net.pth.tar')
    assert_weights(read_checkpoint(tmp_path / 'net.pth.tar'))


class Trap:
    """Unpickled by an ordinary reader, it makes a folder."""

    function = os.mkdir

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return self.function, (str(self.path),)


class Settings:
    def __init__(self):
        self.width = 3


@pytest.mark.skipif(not hasattr(torch.serialization, 'safe_globals'), reason='this torch cannot allow single types')
def test_objects_beside_the_weights_are_not_loaded(tmp_path):
    """As pytorch-lightning saves them; one of them would remove a folder."""
    (tmp_path / 'kept').mkdir()
    trap = Trap(tmp_path / 'kept')
    trap.function = shutil.rmtree
    objects = {'trap': trap, 'class': Settings, 'object': Settings(), 'call': functools.partial(Settings, width=3)}
    torch.save({'state_dict': WEIGHTS, 'hyper_parameters': objects}, tmp_path / 'net.ckpt')
    assert_weights(read_checkpoint(tmp_path / 'net.ckpt'))
    read = read_content(tmp_path / 'net.ckpt')['hyper_parameters']
    assert (read['class'].__name__, read['object'].state) == ('Settings', {'width': 3})
    assert read['call'].state[2] == {'width': 3} and read['trap'].arguments == (str(tmp_path / 'kept'),)
    assert (tmp_path / 'kept').exists()


@pytest.mark.skipif(not hasattr(torch.serialization, 'safe_globals'), reason='this torch cannot allow single types')
def test_a_whole_network_is_no_state_dict(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / 'net.pth')
    with pytest.raises(CheckpointError, match='holds an object of type Linear, not a state dict'):
        read_checkpoint(tmp_path / 'net.pth')


def test_code_in_a_file_does_not_run(tmp_path):
    torch.save({'state_dict': WEIGHTS, 'trap': Trap(tmp_path / 'sprung')}, tmp_path / 'net.pth')
    with pytest.raises(CheckpointError, match=r'needs the Python object (posix|nt)\.mkdir, which is not loaded'):
        read_checkpoint(tmp_path / 'net.pth')
    assert not (tmp_path / 'sprung').exists()


def saved(content, **kwargs):
    def write(path):
        torch.save(content, path, **kwargs)

    return write


def cut(share, **kwargs):
    def write(path):
        torch.save(WEIGHTS, path, **kwargs)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return write


LEGACY = {'_use_new_zipfile_serialization': False}
BROKEN = {
    'missing': (lambda path: None, 'no such file'),
    'empty': (Path.touch, 'the file is empty'),
    'web page': (lambda path: path.write_text('\n<!DOCTYPE html><html></html>'), 'a web page'),
    'text': (lambda path: path.write_text('hello\n' * 99), 'not a checkpoint'),
    'zeros': (lambda path: path.write_bytes(bytes(5000)), 'not a checkpoint'),
    'pickle': (lambda path: path.write_bytes(pickle.dumps([1, 2])), 'not a checkpoint'),
    'array': (lambda path: path.write_bytes(b'\x93NUMPY' + bytes(999)), 'not a checkpoint'),
    'number': (saved(3), 'holds an object of type int'),
    'tensor': (saved(torch.zeros(3)), 'holds an object of type Tensor'),
    'empty dict': (saved({}), 'holds an empty dict'),
    'no tensors': (saved({'epoch': 3, 'lr': 0.1}), "holds a dict of 'epoch', 'lr'"),
    'mixed': (saved({**WEIGHTS, 'epoch': 3}), "'epoch' are not tensors by name"),
    **{f'zip cut at {share}': (cut(share), 'cut short') for share in (0.01, 0.5, 0.99)},
    **{f'legacy cut at {share}': (cut(share, **LEGACY), 'cut short') for share in (0.01, 0.2, 0.5, 0.99)},
}


@pytest.mark.parametrize('case', BROKEN)
def test_what_is_no_checkpoint_is_said_so(case, tmp_path):
    write, message = BROKEN[case]
    write(tmp_path / 'net.pth')
    with pytest.raises(CheckpointError, match=f'net.pth: .*{message}'):
        read_checkpoint(tmp_path / 'net.pth')


@pytest.mark.parametrize('share', [0.0, 0.1, 0.9])
def test_damaged_safetensors(share, tmp_path):
    path = tmp_path / 'net.safetensors'
    save_file(WEIGHTS, path)
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(CheckpointError, match='the file is empty' if share == 0 else 'not a safetensors file, or cut'):
        read_checkpoint(path)


@pytest.mark.parametrize('length', [1, 8, 64])
def test_digest(length, tmp_path):
    torch.save(WEIGHTS, tmp_path / 'net.pth')
    digest = hashlib.sha256((tmp_path / 'net.pth').read_bytes()).hexdigest()
    assert_weights(read_checkpoint(tmp_path / 'net.pth', sha256=digest[:length].upper()))
    wrong = ('1' if digest[0] == '0' else '0') + digest[1:length]
    with pytest.raises(CheckpointError, match=f'SHA-256 {digest}, expected {wrong}'):
        read_checkpoint(tmp_path / 'net.pth', sha256=wrong)


@pytest.mark.parametrize('sha256', ['', 'xyz', '0' * 65])
def test_digest_must_be_hexadecimal(sha256, tmp_path):
    torch.save(WEIGHTS, tmp_path / 'net.pth')
    with pytest.raises(ValueError, match='sha256 must be 1 to 64 hexadecimal digits'):
        read_checkpoint(tmp_path / 'net.pth', sha256=sha256)
