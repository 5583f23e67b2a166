import argparse
import contextlib
import functools
import hashlib
import io
import json
import os
import pickle
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from antialias_plugins.checkpoints import PUBLISHED, CheckpointError, read_checkpoint
from antialias_plugins.checkpoints.read import _NAMED_DIGEST, read_content
from tests.checkpoints import hostile

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


def test_objects_beside_the_weights_are_not_loaded(tmp_path):
    """As pytorch-lightning saves them; one of them would remove a folder."""
    (tmp_path / 'kept').mkdir()
    trap = Trap(tmp_path / 'kept')
    trap.function = shutil.rmtree
    objects = {'trap': trap, 'class': Settings, 'object': Settings(), 'call': functools.partial(Settings, width=3)}
    torch.save({'state_dict': WEIGHTS, 'hyper_parameters': objects}, tmp_path / 'net.ckpt')
    assert_weights(read_checkpoint(tmp_path / 'net.ckpt'))
    read = read_content(tmp_path / 'net.ckpt')[1]['hyper_parameters']
    assert (read['class'].name, read['object'].state) == ('Settings', {'width': 3})
    assert read['call'].state[2] == {'width': 3} and read['trap'].arguments == (str(tmp_path / 'kept'),)
    assert (tmp_path / 'kept').exists()


def test_a_whole_network_is_no_state_dict(tmp_path):
    torch.save(torch.nn.Linear(2, 2), tmp_path / 'net.pth')
    with pytest.raises(
        CheckpointError,
        match=r'holds the Python object torch\.nn\.modules\.linear\.Linear, which is not loaded, not a state dict',
    ):
        read_checkpoint(tmp_path / 'net.pth')


def test_code_in_a_file_does_not_run(tmp_path):
    torch.save({**WEIGHTS, 'trap': Trap(tmp_path / 'sprung')}, tmp_path / 'net.pth')
    with pytest.raises(CheckpointError, match=r"'trap' \(the Python object (posix|nt)\.mkdir, which is not loaded\)"):
        read_checkpoint(tmp_path / 'net.pth')
    assert not (tmp_path / 'sprung').exists()


def test_files_that_were_made_to_do_harm_are_refused(tmp_path):
    """500 of them, each in a process of its own with little time and memory; `hostile` says what they are."""
    (tmp_path / 'files').mkdir()
    hostile.write(tmp_path / 'files')
    command = [sys.executable, hostile.__file__, tmp_path / 'files']
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(results) == hostile.COUNT == 500
    assert [result for result in results if not result['result'].startswith('refused:')] == []
    slowest, largest = (max(results, key=lambda result: result[kind]) for kind in ('seconds', 'memory'))
    print(f'longest: {slowest["seconds"]:.2f} s, {slowest["file"]}')
    print(f'largest: {largest["memory"] / 2**20:.0f} MiB beside its process, {largest["file"]}')
    assert slowest['seconds'] < 10 and largest['memory'] < 64 << 20
    assert {path.name for path in tmp_path.iterdir()} == {'files'}


@pytest.mark.parametrize('legacy', [False, True], ids=['zip', 'legacy'])
def test_a_flip_of_any_bit_does_no_harm(legacy, tmp_path):
    """Where no checksum tells, the weights may be others; nothing but weights or this error comes out of a file."""
    whole, path = hostile.saved(legacy=legacy), tmp_path / 'net.pth'
    generator = random.Random(0)
    for _ in range(300):
        data = bytearray(whole)
        data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        path.write_bytes(data)
        with contextlib.suppress(CheckpointError):
            assert all(isinstance(value, torch.Tensor) for value in read_checkpoint(path).values())


@pytest.mark.skipif(os.name != 'posix', reason='devices and pipes of POSIX')
@pytest.mark.parametrize(
    ('make', 'message'),
    [
        (Path.mkdir, 'must be a file, got a folder'),
        (os.mkfifo, 'must be a file, got a folder, a device or a pipe'),
        (lambda path: path.symlink_to('/dev/zero'), 'must be a file'),
        (lambda path: path.symlink_to(path), 'Too many levels of symbolic links'),
        (lambda path: path.symlink_to('nowhere'), 'no such file'),
    ],
    ids=['folder', 'pipe', 'device', 'link to itself', 'link to nothing'],
)
def test_what_is_no_file_is_said_so(make, message, tmp_path):
    make(tmp_path / 'net.pth')
    with pytest.raises(CheckpointError, match=rf'net\.pth: {message}'):
        read_checkpoint(tmp_path / 'net.pth')


@pytest.mark.parametrize('path', [None, 3, b'net.pth', '', ['net.pth']], ids=repr)
def test_path_must_be_a_path(path):
    with pytest.raises(ValueError, match='path must be a path, got'):
        read_checkpoint(path)


TENSORS = {
    'shared': lambda x: {'a': x, 'b': x, 'c': x[1:, :2]},
    'strided': lambda x: {'a': x.t(), 'b': x[:, ::2], 'c': x.new_empty(0, 3), 'd': x[0, 0]},
    'expanded': lambda x: {'a': x[:1, :1].expand(2, 3), 'b': torch.zeros(64)},
    'parameter': lambda x: {'a': nn.Parameter(x), 'b': nn.Parameter(x.int(), requires_grad=False)},
    'types': lambda x: {str(kind): x.to(kind) for kind in KINDS},
    'channels last': lambda x: {'a': x.view(1, 2, 2, 2).contiguous(memory_format=torch.channels_last)},
    'with attributes': lambda x: {'a': with_attribute(x), 'b': with_attribute(nn.Parameter(x))},
}
KINDS = [
    *(torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.complex128, torch.int64),
    *(torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool, torch.float8_e4m3fn),
]


def with_attribute(tensor):
    tensor.note = 'mine'
    return tensor


@pytest.mark.parametrize('legacy', [False, True], ids=['zip', 'legacy'])
@pytest.mark.parametrize('case', TENSORS)
def test_tensors_are_those_that_torch_reads(case, legacy, tmp_path):
    content = TENSORS[case](torch.arange(8.0).view(2, 4) - 3)
    if legacy:
        content = {key: value for key, value in content.items() if value.dtype != torch.float8_e4m3fn}
    torch.save(content, tmp_path / 'net.pth', _use_new_zipfile_serialization=not legacy)
    read, expected = read_checkpoint(tmp_path / 'net.pth'), torch.load(tmp_path / 'net.pth', weights_only=False)
    assert list(read) == list(expected)
    for key, value in expected.items():
        assert (read[key].dtype, read[key].shape, read[key].stride()) == (value.dtype, value.shape, value.stride())
        number = torch.complex128 if value.is_complex() else torch.float64  # float8 knows no equality
        assert torch.equal(read[key].to(number), value.to(number))
    if case == 'shared':
        assert read['a'].data_ptr() == read['b'].data_ptr() == read['c'].data_ptr() - 4 * 4


@pytest.mark.skipif(not hasattr(torch.serialization, 'set_crc32_options'), reason='this torch always writes checksums')
def test_a_file_without_checksums_is_read(tmp_path):
    torch.serialization.set_crc32_options(False)
    try:
        torch.save(WEIGHTS, tmp_path / 'net.pth')
    finally:
        torch.serialization.set_crc32_options(True)
    assert_weights(read_checkpoint(tmp_path / 'net.pth'))


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


@pytest.mark.parametrize('sha256', ['', 'xyz', '0' * 65, 5])
def test_digest_must_be_hexadecimal(sha256, tmp_path):
    torch.save(WEIGHTS, tmp_path / 'net.pth')
    with pytest.raises(ValueError, match='sha256 must be 1 to 64 hexadecimal digits'):
        read_checkpoint(tmp_path / 'net.pth', sha256=sha256)


@pytest.mark.parametrize(
    ('name', 'refused'),
    [
        ('resnet18_lpf4_finetune-8cc58f59.pth', True),
        ('fcn_r50-d8_512x1024_40k_cityscapes_20200604_192608-efe53f0d.pth', True),
        (f'net-{"8cc58f59" * 8}.safetensors', True),
        ('net-20200604.pth', False),
        ('net-00000250.pth', False),
        ('net-8cc58f5.pth', False),
        ('net-8cc58f59-2.pth', False),
    ],
)
def test_a_file_is_held_against_the_digest_in_its_name(name, refused, tmp_path):
    path = tmp_path / name
    (save_file if path.suffix == '.safetensors' else torch.save)(WEIGHTS, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if not refused:
        assert len(read_checkpoint(path)) == 2
        return
    with pytest.raises(CheckpointError, match=rf'{name}: SHA-256 {digest}, expected [0-9a-f]+: .*; rename it if'):
        read_checkpoint(path)
    assert len(read_checkpoint(path, sha256=digest)) == 2  # what the caller says counts
    assert len(read_checkpoint(path.rename(tmp_path / f'net-{digest[:8]}{path.suffix}'))) == 2


@pytest.mark.parametrize('weights', PUBLISHED.values(), ids=PUBLISHED)
def test_published_names_hold_their_digest(weights):
    found = _NAMED_DIGEST.search(weights.url.rpartition('/')[2])
    assert (found and found[1]) == weights.sha256
