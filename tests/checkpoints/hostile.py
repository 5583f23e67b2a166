"""Files that were made to do harm, from a seed, and a program that reads each in a process of its own under limits.

python hostile.py FOLDER        # one line of JSON per file: what came of it, seconds, bytes of memory
"""

import gc
import io
import json
import os
import pickle
import random
import resource
import signal
import struct
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import torch
from safetensors.torch import save

COUNT = 500
SECONDS, MEMORY = 10, 512 << 20  # of one file
WEIGHTS = {'conv.weight': torch.arange(24.0).view(2, 3, 2, 2), 'bn.count': torch.tensor(3)}
LEGACY_START = (0x1950A86A20F9469CFC6C, 1001, {'protocol_version': 1001, 'little_endian': True, 'type_sizes': {}})


def saved(content=WEIGHTS, legacy=False):
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=not legacy)
    return file.getvalue()


def archive(pickled, storages=(('0', bytes(96)),), compress=zipfile.ZIP_STORED, more=()):
    """An archive such as torch.save writes, around a pickle of our own."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, 'w', compress) as output:
        output.writestr('archive/data.pkl', pickled)
        output.writestr('archive/version', '3\n')
        output.writestr('archive/byteorder', 'little')
        for key, data in (*((f'data/{key}', data) for key, data in storages), *more):
            output.writestr(f'archive/{key}', data)
    return file.getvalue()


def legacy(pickled, tail=b''):
    return b''.join(pickle.dumps(part, 2) for part in LEGACY_START) + pickled + tail


def text(value):
    data = value.encode()
    return b'X' + struct.pack('<I', len(data)) + data


def number(value):
    if -(1 << 31) <= value < 1 << 31:
        return b'J' + struct.pack('<i', value)
    data = value.to_bytes(value.bit_length() // 8 + 1, 'little', signed=True)
    return b'\x8a' + bytes([len(data)]) + data


def numbers(values):
    return b'(' + b''.join(map(number, values)) + b't'


def call(module, name, *arguments):
    return f'c{module}\n{name}\n'.encode() + b'(' + b''.join(arguments) + b'tR'


def under(value, key='conv.weight'):
    """A pickle of a dict with one entry."""
    return b'\x80\x02}' + text(key) + value + b's.'


def storage(kind='FloatStorage', key='0', count=24, module='torch', word='storage'):
    return b'(' + text(word) + f'c{module}\n{kind}\n'.encode() + text(key) + text('cpu') + number(count) + b'tQ'


def tensor(size, stride, offset=0, place=None, name='_rebuild_tensor_v2'):
    rest = (number(offset), numbers(size), numbers(stride), b'\x89', b'ccollections\nOrderedDict\n)R')
    return call('torch._utils', name, place or storage(), *rest)


# What a pickle can call, of the classics: module, name, arguments.
PAYLOADS = [
    *(('os', 'system', 'touch {mark}'), ('posix', 'system', 'touch {mark}'), ('os', 'popen', 'touch {mark}')),
    *(('subprocess', name, 'touch {mark}') for name in ('Popen', 'call', 'run', 'getoutput', 'check_output')),
    *(('builtins', 'eval', "open('{mark}', 'w')"), ('builtins', 'exec', "open('{mark}', 'w')")),
    *(('__builtin__', 'eval', "open('{mark}', 'w')"), ('builtins', 'compile', 'x', '{mark}', 'exec')),
    *(('builtins', 'open', '{mark}', 'w'), ('io', 'open', '{mark}', 'w'), ('builtins', '__import__', 'antigravity')),
    *(('builtins', 'getattr', 'x', '__class__'), ('operator', 'attrgetter', '__class__.__base__.__subclasses__')),
    *(('importlib', 'import_module', 'antigravity'), ('runpy', 'run_path', '{mark}'), ('runpy', '_run_code', '{mark}')),
    *(('shutil', 'rmtree', '{mark}.d'), ('os', 'remove', '{mark}.d'), ('os', 'execv', '/bin/sh'), ('os', '_exit', '1')),
    *(
        ('codecs', 'encode', 'x'),
        ('_codecs', 'decode', 'x', 'zlib'),
        ('pickle', 'loads', 'x'),
        ('marshal', 'loads', 'x'),
    ),
    *(('torch', 'load', '{mark}'), ('torch.hub', 'load', 'a/b', 'c'), ('torch.serialization', 'load', '{mark}')),
    *(
        ('torch.jit', 'load', '{mark}'),
        ('torch.storage', '_load_from_bytes', 'x'),
        ('torch._utils', '_import_dotted_name', 'os'),
    ),
    *(('torch.utils.data', '_utils', 'x'), ('torch._inductor.codecache', 'compile_file', 'x')),
    *(('numpy', 'load', '{mark}'), ('numpy', 'fromfile', '{mark}'), ('numpy.testing._private.utils', 'runstring', 'x')),
    *(('webbrowser', 'open', 'http://127.0.0.1'), ('urllib.request', 'urlopen', 'file:///etc/passwd')),
    *(
        ('ctypes', 'CDLL', '{mark}'),
        ('ctypes', 'string_at', '0'),
        ('sys', 'exit', '1'),
        ('sys', 'setrecursionlimit', '1'),
    ),
    *(
        ('signal', 'raise_signal', '9'),
        ('faulthandler', '_sigsegv', '1'),
        ('multiprocessing.util', 'spawnv_passfds', 'x'),
    ),
    *(('timeit', 'timeit', "open('{mark}', 'w')"), ('pdb', 'run', "open('{mark}', 'w')"), ('cProfile', 'run', 'x')),
    *(('pip._internal.cli.main', 'main', 'install'), ('antialias_plugins.utils', 'remove_partials', '/tmp')),
]
REBUILDERS = (
    *('_rebuild_tensor', '_rebuild_tensor_v2', '_rebuild_tensor_v3', '_rebuild_parameter', '_rebuild_qtensor'),
    *('_rebuild_parameter_with_state', '_rebuild_sparse_tensor', '_rebuild_meta_tensor_no_storage'),
    *(
        '_rebuild_nested_tensor',
        '_rebuild_wrapper_subclass',
        '_rebuild_device_tensor_from_numpy',
        '_rebuild_from_type_v2',
    ),
)
ARGUMENTS = (
    b'',
    b'N',
    b'}',
    b']',
    number(-1),
    number(2**62),
    text('x'),
    storage(),
    tensor([2], [1]),
    b'(' * 9 + b't' * 9,
)


def numpy_dtype_trick(generator):
    """A dtype with state that says it is of objects, and bytes that are their addresses."""
    dtype = call('numpy', 'dtype', text(generator.choice(['V8', 'f8', 'O8', 'O'])), b'\x89', b'\x88')
    state = (
        b'('
        + number(3)
        + text('|')
        + b'NNN'
        + numbers([-1])
        + number(generator.choice([-1, 8, 2**31 - 1]))
        + number(63)
    )
    data = call('_codecs', 'encode', text('AAAAAAAA'), text('latin1'))
    home = generator.choice(['numpy.core.multiarray', 'numpy._core.multiarray'])
    name = generator.choice(['scalar', '_reconstruct', '_frombuffer'])
    return archive(under(call(home, name, dtype + state + b'tb', data)))


def wrong_tensor(generator):
    size, stride, offset, place = [2, 3], [3, 1], 0, storage()
    kind = generator.randrange(12)
    if kind == 0:
        stride = [2 ** generator.randrange(5, 63), 1]
    elif kind == 1:
        size, stride = [2 ** generator.randrange(10, 62)], [0]  # one element, shown often
    elif kind == 2:
        offset = generator.choice([-1, 19, 2**40, 2**62])
    elif kind == 3:
        size = [generator.choice([-1, -(2**40), 2**40]), 3]
    elif kind == 4:
        stride = [-3, 1]
    elif kind == 5:
        size, stride = [2] * 80, [0] * 80
    elif kind == 6:
        stride = [1]
    elif kind == 7:
        place = storage(count=generator.choice([-1, 6, 25, 2**40, 2**62]))
    elif kind == 8:
        place = storage(generator.choice(['QInt8Storage', 'FooStorage', '__init__', 'load']))
    elif kind == 9:
        place = storage(key=generator.choice(['9', '../data.pkl', '', '0\0', '/etc/passwd']))
    elif kind == 10:
        place = storage(module=generator.choice(['os', 'torch.cuda', 'builtins']))
    else:
        place = storage(word=generator.choice(['module ', 'Storage', '']))
    return archive(under(tensor(size, stride, offset, place)))


def wrong_rebuild(generator):
    arguments = [generator.choice(ARGUMENTS) for _ in range(generator.randrange(6))]
    module = 'torch._tensor' if (name := generator.choice(REBUILDERS)).endswith('type_v2') else 'torch._utils'
    return archive(under(call(module, name, *arguments)))


def cut(generator):
    data = saved(legacy=generator.random() < 0.5)
    return data[: generator.randrange(1, len(data) - 30)]


def flipped(generator):
    """A bit of the weights themselves, or of their pickle, which the checksums of the archive cover."""
    data = bytearray(saved())
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        info = opened.getinfo(generator.choice(['archive/data.pkl', 'archive/data/0', 'archive/data/1']))
    start = info.header_offset + 30 + sum(struct.unpack_from('<HH', data, info.header_offset + 26))
    data[start + generator.randrange(info.file_size)] ^= 1 << generator.randrange(8)
    return bytes(data)


def endless(generator):
    """Containers in themselves and in each other, more than can be gone through."""
    kind, count = generator.randrange(8), generator.randrange(20_000, 60_000)
    key = text(generator.choice(['state_dict', 'model', 'state_dict_ema']))
    if kind == 0:
        return archive(b'\x80\x02}q\0' + key + b'h\0s.')
    if kind == 1:
        return archive(b'\x80\x02' + (b'}' + key) * count + b'}' + b's' * count + b'.')
    if kind == 2:
        return archive(b'\x80\x02' + b']' * count + b'a' * (count - 1) + b'.')
    if kind == 3:  # 2 ** 100 elements, and the hash of a tuple looks at each
        laughs = b'N' + b'q\x01h\x01\x86' * 100
        return archive(b'\x80\x02}' + laughs + b'Ns.')
    if kind == 4:
        return archive(b'\x80\x02' + b'('.join(b'' for _ in range(count)) + b'.')
    if kind == 5:  # keys with one hash
        keys = b''.join(number(index * (2**61 - 1)) + b'N' for index in range(count))
        return archive(b'\x80\x02}(' + keys + b'u.')
    if kind == 6:
        return archive(under(b''.join(f'cmodule{index}\nName\n0'.encode() for index in range(count)) + b'N'))
    return archive(under(b'(' + b''.join(f'cmodule{index}\nName\n)R'.encode() for index in range(count)) + b't'))


def no_archive(generator):
    """Other zip archives: bombs, nested and encrypted ones, those of programs, and entries on top of each other."""
    pickled, kind = pickle.dumps({}, 2), generator.randrange(7)
    good = under(tensor([2, 3], [3, 1]))
    if kind == 0:
        return archive(good, [('0', bytes(generator.randrange(20, 40) << 20))], zipfile.ZIP_DEFLATED)
    if kind == 1:
        return archive(good, more=[('constants.pkl', pickled), ('code/a.py', 'import os')])
    if kind == 2:
        file = io.BytesIO()
        with zipfile.ZipFile(file, 'w') as output:
            output.writestr('inner.pth', saved())
        return file.getvalue()
    data = bytearray(archive(good, [(str(index), bytes(96)) for index in range(9)]))
    central = data.index(b'PK\1\2')
    if kind == 3:  # every entry claims most of the file
        while (central := data.find(b'PK\1\2', central)) >= 0:
            struct.pack_into('<II', data, central + 20, *[len(data) - 200] * 2)
            central += 4
    elif kind == 4:  # terabytes
        struct.pack_into('<II', data, central + 20, *[generator.choice([2**31, 2**32 - 2])] * 2)
    elif kind == 5:
        data[central + 8] |= 1  # encrypted
    else:
        struct.pack_into('<I', data, central + 42, generator.choice([7, len(data) - 9, 2**31]))  # no header there
    return bytes(data)


def old_format(generator):
    """The format before torch 1.6: pickles in a row, and the older one in a tar archive."""
    good, kind = under(tensor([2, 3], [3, 1])), generator.randrange(7)
    keys = pickle.dumps(['0'], 2)
    if kind == 0:
        return legacy(good, keys + struct.pack('<q', generator.choice([-1, 23, 2**40, 2**62])) + bytes(96))
    if kind == 1:
        return legacy(good, pickle.dumps(generator.choice([['1'], 3, {'0': 1}, [['0']], None]), 2) + bytes(120))
    if kind == 2:
        return legacy(good, keys + struct.pack('<q', 24) + bytes(generator.randrange(90)))
    if kind == 3:
        view = numbers([0, generator.choice([-1, 20, 2**40]), 24])
        place = storage()[:-2] + view + b'tQ'
        return legacy(under(tensor([2, 3], [3, 1], place=place)), keys + struct.pack('<q', 24) + bytes(96))
    if kind == 4:
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode='w') as output:
            for name in ('sys_info', 'pickle', 'tensors', 'storages'):
                output.addfile(tarfile.TarInfo(name))
        return file.getvalue()
    if kind == 5:
        return legacy(b'\x80\x02' + b'X' + struct.pack('<I', generator.choice([2**31 - 1, 2**32 - 1])) + b'abc')
    starts = [pickle.dumps(part, 2) for part in LEGACY_START]
    starts[generator.randrange(3)] = generator.choice([pickle.dumps(7, 2), under(call('os', 'getpid')), b'\x80\x02.'])
    return b''.join(starts) + good


def broken_safetensors(generator):
    entry = {'dtype': 'F32', 'shape': [2], 'data_offsets': [0, 8]}
    header, data = {'a': entry}, bytes(8)
    kind = generator.randrange(11)
    if kind == 0:
        entry['shape'] = [generator.choice([2**40, -2, 2**63, 3])]
    elif kind == 1:
        entry['data_offsets'] = generator.choice([[0, 12], [8, 0], [-8, 0], [0, 2**63], [4, 12], [0]])
    elif kind == 2:
        header['b'] = entry  # overlaps
    elif kind == 3:
        twice = json.dumps(entry)
        header = f'{{"a": {twice}, "a": {twice}}}'
    elif kind == 4:
        header = '[' * generator.randrange(1000, 100_000)
    elif kind == 5:
        entry['dtype'] = generator.choice(['OBJ', 'F128', '', None, 3])
    elif kind == 6:
        data = bytes(generator.choice([0, 4, 7, 9, 800]))
    elif kind == 7:
        whole = save(WEIGHTS)
        return whole[: generator.randrange(1, len(whole))]
    elif kind == 8:
        header = {'a' * 1000: entry}
    elif kind == 9:
        entry['shape'] = [1] * 200 + [2]
    else:
        return struct.pack('<Q', generator.choice([0, 1, 2**31, 2**40, 2**63, 2**64 - 1])) + b'{}'
    written = (header if isinstance(header, str) else json.dumps(header)).encode()
    return struct.pack('<Q', len(written)) + written + data


def instruction(generator):
    """Those that no reader of weights needs, in a place where they would do something."""
    own = (
        b'i',
        b'o',
        b'\x93',
        b'\x92',
        b'\x81',
        b'\x82',
        b'P',
        b'F',
        b'V',
        b'S',
        b'I',
        b'L',
        b'p',
        b'g',
        b'\x8f',
        b'\x90',
    )
    body = generator.choice(own) + b'os\nsystem\n' + bytes(generator.randrange(256) for _ in range(20))
    return archive(b'\x80' + bytes([generator.choice([0, 2, 4, 5, 99])]) + b'}' + text('a') + b'(' + body + b'.')


def objects(generator):
    """Values in the place of weights that are none."""
    value = generator.choice(
        [
            *(b'N', b'K\x01', text('x'), b'}', b']', b')', storage(), b'cos\nsystem\n', b'cos\nsystem\n)\x81'),
            *(call('torch', 'device', text('cuda')), call('numpy', 'dtype', text('O'))),
            call('builtins', 'bytearray', number(2**40)),
            b'cos\nsystem\n)\x81}' + text('__class__') + text('x') + b'sb',
        ]
    )
    return archive(under(value)) if generator.random() < 0.8 else archive(b'\x80\x02' + value + b'.')


def noise(generator):
    start = generator.choice(
        [b'PK\3\4', b'\x80\x02', b'\x80\x04', b'PK\5\6', b'\x1f\x8b', b'\x93NUMPY', b'7z', b'\x89HDF']
    )
    return start + bytes(generator.randrange(256) for _ in range(generator.randrange(2000)))


KINDS = (
    *(numpy_dtype_trick, wrong_tensor, wrong_rebuild, cut, flipped, endless, no_archive, old_format),
    *(broken_safetensors, instruction, objects, noise),
)


def write(folder, seed=0):
    """Write the files; every one must be refused."""
    generator = random.Random(seed)
    for index, (module, name, *arguments) in enumerate(PAYLOADS):
        mark = folder / 'mark'
        payload = under(call(module, name, *(text(it.format(mark=mark)) for it in arguments)))
        make = archive if index % 2 else legacy
        (folder / f'{index:03d}-payload {module}.{name}.pth').write_bytes(
            make(payload) + (b'' if index % 2 else pickle.dumps([], 2))
        )
    for index in range(len(PAYLOADS), COUNT):
        make = KINDS[index % len(KINDS)]
        suffix = 'safetensors' if make is broken_safetensors else 'pth'
        (folder / f'{index:03d}-{make.__name__}.{suffix}').write_bytes(make(generator))


def read_in_child(path, read, error):
    """Read a file in a fork of this process; returns what came of it, its time and its memory."""
    reader, writer = os.pipe()
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reader)
        before = _memory('VmSize')
        resource.setrlimit(resource.RLIMIT_AS, (before + MEMORY, before + MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
        signal.alarm(2 * SECONDS)
        resident = _memory('VmRSS')
        try:
            result = f'read: {list(read(path))[:3]}'
        except error as caught:
            result = f'refused: {caught}' if Path(path).name in str(caught) else f'refused without its name: {caught}'
        except BaseException as caught:
            result = f'{type(caught).__name__}: {caught}'
        report = json.dumps([result[:400], _memory('VmHWM') - resident])
        os.write(writer, report.encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, 'rb') as pipe:
        report = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    result, memory = json.loads(report) if report else (f'ended with {status}', None)
    return {'file': path.name, 'result': result, 'seconds': time.monotonic() - start, 'memory': memory}


def _memory(field):
    line = next(line for line in Path('/proc/self/status').read_text().splitlines() if line.startswith(f'{field}:'))
    return int(line.split()[1]) << 10


if __name__ == '__main__':
    from antialias_plugins.checkpoints import CheckpointError, read_checkpoint

    gc.collect()
    gc.freeze()  # or every fork copies what the collector looks at
    for path in sorted(Path(sys.argv[1]).iterdir()):
        print(json.dumps(read_in_child(path, read_checkpoint, CheckpointError)), flush=True)
