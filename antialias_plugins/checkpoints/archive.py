"""Files of `torch.save`, read without `torch.load`: nothing in them is imported, called or believed.

A pickle becomes plain data: containers, text and numbers, with a `StandIn` for every other object. What stands for a
tensor is a `StoredTensor`, which names bytes of the file; it becomes a tensor only where it is asked for, and only if
the bytes that it names are there. So a file costs no more memory than its own size, but for some objects of Python.
"""

import io
import math
import os
import pickle
import struct
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, BinaryIO

import torch
from torch import Tensor

# What the standard library raises on bytes that are no archive or pickle, or only the beginning of one.
UNREADABLE = (
    *(pickle.UnpicklingError, zipfile.BadZipFile, struct.error, EOFError, OSError, RuntimeError, ArithmeticError),
    *(AttributeError, LookupError, TypeError, ValueError, AssertionError),
)

_STORAGES = {
    **{'DoubleStorage': torch.float64, 'FloatStorage': torch.float32, 'HalfStorage': torch.float16},
    **{'BFloat16Storage': torch.bfloat16, 'ComplexDoubleStorage': torch.complex128},
    **{'ComplexFloatStorage': torch.complex64, 'LongStorage': torch.int64, 'IntStorage': torch.int32},
    **{'ShortStorage': torch.int16, 'CharStorage': torch.int8, 'ByteStorage': torch.uint8},
    **{'BoolStorage': torch.bool, 'UntypedStorage': torch.uint8},
}
# The instructions of protocol 2 that make data, as in torch's own reader.
_INSTRUCTIONS = (
    *('PROTO', 'STOP', 'MARK', 'BINPUT', 'LONG_BINPUT', 'BINGET', 'LONG_BINGET', 'NONE', 'NEWTRUE', 'NEWFALSE'),
    *('BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT', 'BINUNICODE', 'SHORT_BINSTRING', 'EMPTY_TUPLE', 'TUPLE'),
    *('TUPLE1', 'TUPLE2', 'TUPLE3', 'EMPTY_LIST', 'APPEND', 'APPENDS', 'EMPTY_DICT', 'GLOBAL', 'REDUCE', 'BINPERSID'),
)
_LEGACY = (0x1950A86A20F9469CFC6C, 1001)  # a magic number and a version, each a pickle
_MOST_READS = 1 << 25  # objects of Python are larger than what they are written with
MOST_DIMENSIONS = 64


class StandIn:
    """In the place of a Python object that a file refers to: keeps what it is made of, and runs nothing.

    Attributes:
        kind: the class or function that would make it; None for a key of a dict that could not be one.
        arguments: what it is made from.
        state: what is set on it then, or None.
    """

    __slots__ = ('arguments', 'kind', 'state')

    def __init__(self, kind: 'Global | None', arguments: tuple[Any, ...]) -> None:
        self.kind, self.arguments, self.state = kind, arguments, None

    def append(self, item: Any) -> None:
        """Accept an item, as a list would, and forget it."""

    extend = append


@dataclass(frozen=True)
class Global:
    """The name of a class or function of Python."""

    module: str
    name: str

    def __str__(self) -> str:
        return f'{self.module}.{self.name}'

    def __call__(self, *arguments: Any) -> Any:
        """Make the data that the result is, or what stands in for it."""
        make = _MADE.get(str(self))
        return StandIn(self, arguments) if make is None else make(*arguments)


@dataclass(frozen=True)
class Storage:
    """Elements of a file: `count` of them from `start` on, in the storage called `key` that has `total`."""

    key: str
    dtype: torch.dtype
    total: int
    start: int
    count: int


@dataclass(frozen=True, eq=False)
class StoredTensor:
    """A tensor that has not been made yet; its fields are whatever the file says."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]
    dtype: torch.dtype


def _tensor(storage: Storage, offset: int, size: tuple, stride: tuple, *_: Any) -> StoredTensor:
    return StoredTensor(storage, offset, size, stride, storage.dtype)


def _tensor_of_type(storage: Storage, offset: int, size: tuple, stride: tuple, grad: Any, hooks: Any, dtype: Global):
    found = getattr(torch, dtype.name, None) if dtype.module == 'torch' else None
    if not isinstance(found, torch.dtype):
        raise pickle.UnpicklingError(f'{dtype} is no type of a tensor')
    return StoredTensor(storage, offset, size, stride, found)


def _tensor_of_class(rebuild: Global, kind: Global, arguments: tuple, state: Any) -> Any:
    if str(kind) not in ('torch.Tensor', 'torch.nn.parameter.Parameter'):
        return StandIn(kind, arguments)
    return rebuild(*arguments)


def _dict(pairs: Iterable[tuple[Any, Any]] = ()) -> dict[Any, Any]:
    return {_key(key): value for key, value in pairs}


def _key(key: Any) -> Any:
    """A key of a dict; others than the usual ones could be made to collide or to take for ever to hash."""
    is_plain = key is None or isinstance(key, (str, float, Global, StandIn)) or (type(key) is int and _is_word(key))
    return key if is_plain or isinstance(key, bool) else StandIn(None, (key,))


def _is_word(number: int) -> bool:
    return -(1 << 63) <= number < 1 << 63


_MADE: dict[str, Callable[..., Any]] = {
    'collections.OrderedDict': _dict,
    'torch._utils._rebuild_tensor': _tensor,
    'torch._utils._rebuild_tensor_v2': _tensor,
    'torch._utils._rebuild_tensor_v3': _tensor_of_type,
    'torch._utils._rebuild_parameter': lambda data, *_: data,
    'torch._utils._rebuild_parameter_with_state': lambda data, *_: data,
    'torch._tensor._rebuild_from_type_v2': _tensor_of_class,
}


class _Unpickler(pickle._Unpickler):
    """The standard library's reader in Python, with few of its instructions and no way to anything outside the file."""

    dispatch = {  # noqa: RUF012
        getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]] for name in _INSTRUCTIONS
    }

    def __init__(self, file: BinaryIO, longest: int) -> None:
        self.reads, self.storages = 0, {}

        def read(count: int) -> bytes:
            self.reads += 1
            if self.reads > _MOST_READS:
                raise pickle.UnpicklingError('too many objects')
            return file.read(min(count, longest))

        super().__init__(SimpleNamespace(read=read, readline=lambda: file.readline(1024)), encoding='utf-8')

    def find_class(self, module: str, name: str) -> Global:
        return Global(module, name)

    def persistent_load(self, pid: Any) -> Any:
        if isinstance(pid, tuple) and pid[:1] == ('module',):  # a class, with its source
            return pid[1]
        _, kind, key, _, count, *view = pid
        if pid[0] != 'storage' or kind.module not in ('torch', 'torch.storage') or not isinstance(key, str):
            raise pickle.UnpicklingError('a reference to something that is no storage')
        dtype = _STORAGES[kind.name]
        _check_counts(count)
        if self.storages.setdefault(key, (dtype, count)) != (dtype, count):
            raise pickle.UnpicklingError(f'storage {key} is described in two ways')
        _, start, part = view[0] if view and view[0] else (None, 0, count)
        _check_counts(start, part)
        if start + part > count:
            raise pickle.UnpicklingError(f'a view goes beyond its storage {key}')
        return Storage(key, dtype, count, start, part)

    def load_newobj(self) -> None:
        arguments, kind = self.stack.pop(), self.stack.pop()
        self.append(kind(*arguments))

    def load_build(self) -> None:
        state = self.stack.pop()
        if isinstance(self.stack[-1], StandIn):
            self.stack[-1].state = state  # that of an OrderedDict are the versions of modules

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._set_items([key, value])

    def load_setitems(self) -> None:
        self._set_items(self.pop_mark())

    def _set_items(self, items: list[Any]) -> None:
        if not isinstance(self.stack[-1], StandIn):
            self.stack[-1].update(_dict(zip(items[::2], items[1::2], strict=True)))

    dispatch |= {pickle.NEWOBJ[0]: load_newobj, pickle.BUILD[0]: load_build}
    dispatch |= {pickle.SETITEM[0]: load_setitem, pickle.SETITEMS[0]: load_setitems}


def _check_counts(*counts: Any) -> None:
    if not all(type(count) is int and count >= 0 for count in counts):
        raise pickle.UnpicklingError('a size that is no count')


@dataclass(frozen=True)
class _Place:
    """Where bytes lie in a file; `crc` is 0 where their writer left it out."""

    start: int
    size: int
    crc: int = 0


class Archive:
    """A file of `torch.save` that is open.

    Args:
        file: the file.

    Attributes:
        content: what was saved.

    Raises:
        UNREADABLE: the file is none, or cut short or damaged.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._size = file, os.fstat(file.fileno()).st_size
        self._bytes: dict[tuple[str, torch.dtype], Tensor] = {}
        self._places: dict[str, _Place] = {}
        self.content = self._open_zip() if file.read(2) == b'PK' else self._open_legacy()

    def tensor(self, stored: StoredTensor) -> Tensor:
        """Make a tensor; those of one storage share their memory, as they did when they were saved."""
        storage, dtype, size, stride = stored.storage, stored.dtype, stored.size, stored.stride
        if not (isinstance(storage, Storage) and isinstance(size, tuple) and isinstance(stride, tuple)):
            raise pickle.UnpicklingError('a tensor without a storage')
        _check_counts(stored.offset, *size, *stride)
        width = dtype.itemsize
        room = storage.count * storage.dtype.itemsize // width
        reach = 0 if 0 in size else 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))
        if len(size) > MOST_DIMENSIONS or stored.offset + reach > room:
            raise pickle.UnpicklingError(f'a tensor of {_shape(size)} goes beyond its storage of {room} elements')
        if math.prod(size) * width > self._size:
            raise pickle.UnpicklingError(f'a tensor of {_shape(size)} is larger than the file')
        start = storage.start * storage.dtype.itemsize // width
        return self._elements(storage, dtype).as_strided(size, stride, start + stored.offset)

    def _elements(self, storage: Storage, dtype: torch.dtype) -> Tensor:
        if (storage.key, dtype) not in self._bytes:
            place, size = self._places[storage.key], storage.total * storage.dtype.itemsize
            if not 0 <= place.size - size < storage.dtype.itemsize:
                raise pickle.UnpicklingError(f'storage {storage.key} has {place.size} bytes, not {size}')
            data = self._read(place)
            data = data[: len(data) // dtype.itemsize * dtype.itemsize]
            self._bytes[storage.key, dtype] = data.ne(0) if dtype == torch.bool else data.view(dtype)
        return self._bytes[storage.key, dtype]

    def _read(self, place: _Place) -> Tensor:
        if not 0 <= place.start <= place.start + place.size <= self._size:
            raise EOFError('the file ends before')
        data = torch.empty(place.size, dtype=torch.uint8)
        self._file.seek(place.start)
        if self._file.readinto(data.numpy()) != place.size:
            raise EOFError('the file ends before')
        if place.crc and zlib.crc32(data.numpy()) != place.crc:
            raise zipfile.BadZipFile('bytes differ from their checksum')
        return data

    def _open_zip(self) -> Any:
        infos = zipfile.ZipFile(self._file).infolist()
        if any(info.compress_type or info.file_size != info.compress_size or info.flag_bits & 1 for info in infos):
            raise zipfile.BadZipFile('a compressed archive, which torch.save does not write')
        if sum(info.file_size for info in infos) > self._size:
            raise zipfile.BadZipFile('its entries lie on top of each other')
        entries = {info.filename.partition('/')[2]: info for info in infos}
        if len(entries) < len(infos) or 'data.pkl' not in entries:
            raise zipfile.BadZipFile('an archive that torch.save did not write')
        if 'constants.pkl' in entries:
            raise zipfile.BadZipFile('a TorchScript archive: a program, not weights')
        self._places = {name: self._place(info) for name, info in entries.items()}
        if 'byteorder' in entries:
            _check_order(self._read(self._places['byteorder']).numpy().tobytes().decode())
        pickled = self._read(self._places['data.pkl']).numpy()
        unpickler = _Unpickler(io.BytesIO(pickled), len(pickled))
        content = unpickler.load()
        self._places = {name.removeprefix('data/'): place for name, place in self._places.items()}
        return content

    def _place(self, info: zipfile.ZipInfo) -> _Place:
        """Behind an entry's own header, which is as long as it says."""
        self._file.seek(info.header_offset)
        signature, name, extra = struct.unpack('<4s22xHH', self._file.read(30))
        if signature != b'PK\3\4':
            raise zipfile.BadZipFile('an entry without a header')
        return _Place(info.header_offset + 30 + name + extra, info.file_size, info.CRC)

    def _open_legacy(self) -> Any:
        """A row of pickles, then for every storage its number of elements, and these."""
        self._file.seek(0)
        if tuple(_Unpickler(self._file, self._size).load() for _ in _LEGACY) != _LEGACY:
            raise pickle.UnpicklingError('not written by torch.save')
        system = _Unpickler(self._file, self._size).load()
        _check_order('little' if system['little_endian'] else 'big')
        unpickler = _Unpickler(self._file, self._size)
        content = unpickler.load()
        for key in _Unpickler(self._file, self._size).load():
            dtype, count = unpickler.storages[key]
            if struct.unpack('<q', self._file.read(8)) != (count,):
                raise pickle.UnpicklingError(f'storage {key} has another number of elements than it says')
            self._places[key] = _Place(self._file.tell(), count * dtype.itemsize)
            self._file.seek(self._places[key].size, os.SEEK_CUR)
        return content


def _check_order(order: str) -> None:
    if order != sys.byteorder:
        raise pickle.UnpicklingError(f'written on a machine whose bytes are in another order ({order[:6]})')


def _shape(size: tuple[int, ...]) -> str:
    return 'x'.join(map(str, size[:8])) or 'one element'
