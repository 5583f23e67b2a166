"""Child configs that antialias the backbone of any existing config."""

import os
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from mmengine.config import Config

from antialias_plugins.files import replacing
from antialias_plugins.layers import resolve_pool
from antialias_plugins.openmmlab.antialiased import check_convert

_OUR_KEYS = ('base', 'pool', 'convert')


def write_child_config(
    base: str | os.PathLike,
    out: str | os.PathLike,
    pool: str = 'lpf4',
    convert: Mapping[str, Any] | None = None,
    *,
    consistency: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a config that inherits from `base` and antialiases its backbone.

    Nothing else changes: the data preprocessor, the initialization and the schedule are those of `base`.

    Args:
        base: A config file, or the name of a config in the installed zoo of mmseg, with or without its folder, suffix
            and scope: ``'mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-80k_cityscapes-512x1024.py'``. A config of
            another package needs its scope (``'mmdet::'``).
        out: The file to write. It refers to a config of the zoo by an absolute path, to a file by a relative one
            where the two have a folder in common.
        pool: Shorthand of the filter, such as ``'lpf4'`` or ``'ddac3'``.
        convert: Options of :func:`~antialias_plugins.convert_antialias`.
        consistency: Whether the test loop also measures the shift consistency.
        overwrite: Whether `out` may exist.

    Returns:
        The path of the file that was written; it appears complete or not at all.

    Raises:
        ValueError: If `base` cannot be found, has no backbone or an antialiased one, or is of mmengine's new style
            (``read_base``), or if `pool`, `convert` or the suffix of `out` is wrong.
        FileExistsError: If `out` exists and `overwrite` is not set.
    """
    out = Path(out)
    if out.suffix != '.py':
        raise ValueError(f'out must be a .py file, got {str(out)!r}')
    if out.exists() and not overwrite:
        raise FileExistsError(f'out exists: {str(out)!r}; ask to overwrite it, or choose another name')
    resolve_pool(pool)
    options = check_convert(convert)
    path = find_config(base)
    config = Config.fromfile(path, import_custom_modules=False)
    backbone = {'type': 'Antialiased', 'base': _backbone_type(config, path), 'pool': pool}
    if options:
        backbone['convert'] = options
    content = {
        '_base_': _reference(path, out) if Path(base).is_file() else str(path),
        **_custom_imports(config),
        'model': {'backbone': backbone},
    }
    if consistency:
        content['test_cfg'] = {'type': 'ShiftConsistencyTestLoop'}
    with replacing(out) as partial:
        partial.write_text(''.join(f'{key} = {_source(value)}\n' for key, value in content.items()))
    return out


def find_config(base: str | os.PathLike) -> Path:
    """Return the absolute path of a config, given its path or its name in the zoo of an installed package.

    Raises:
        ValueError: If there is no such file or config; the nearest names are suggested.
    """
    if Path(base).is_file():
        return Path(base).absolute()
    package, separator, name = str(base).rpartition('::')
    zoo = _zoo(package if separator else 'mmseg')
    name = name.removesuffix('.py')
    found = {relative: path for relative, path in zoo.items() if name in (relative, path.stem)}
    if len(found) == 1:
        return found.popitem()[1]
    nearest = list(found) or get_close_matches(Path(name).name, [path.stem for path in zoo.values()])
    hint = f'; did you mean {" or ".join(nearest)}?' if nearest else ''
    raise ValueError(
        f'base must be a config file or the name of a config in the installed zoo, got {str(base)!r}{hint}'
    )


def _reference(path: Path, out: Path) -> str:
    """How `out` refers to `path`: relative, unless they have nothing but the root of the file system in common."""
    common = os.path.commonpath([path, out.absolute()])
    return str(path) if common == path.anchor else os.path.relpath(path, out.absolute().parent)


def _zoo(package: str) -> dict[str, Path]:
    """The configs that an installed OpenMMLab package brings, by their relative path without suffix."""
    try:
        root = Path(import_module(package).__file__).parent / '.mim' / 'configs'
    except ModuleNotFoundError as error:
        raise ValueError(f'base must name a config of an installed package, got {package!r}') from error
    files = (path for path in sorted(root.rglob('*.py')) if '_base_' not in path.parts)
    return {path.relative_to(root).with_suffix('').as_posix(): path for path in files}


def _backbone_type(config: Config, path: Path) -> str:
    backbone = config.get('model', {}).get('backbone')
    if not isinstance(backbone, Mapping) or 'type' not in backbone:
        raise ValueError(f'base must have a model.backbone to antialias, got {str(path)!r}')
    if backbone['type'] == 'Antialiased':
        raise ValueError(f'base must have a backbone that is not antialiased yet, got {str(path)!r}')
    if not isinstance(backbone['type'], str):
        raise ValueError(f'base must be a config with a text _base_, not one of the new style, got {str(path)!r}')
    clash = [key for key in _OUR_KEYS if key in backbone]
    if clash:
        raise ValueError(
            f'base must leave the keys {", ".join(_OUR_KEYS)} to Antialiased, got {clash} in {str(path)!r}'
        )
    return backbone['type']


def _custom_imports(config: Config) -> dict[str, Any]:
    """The override that adds this package to the imports of `config`; mmengine would replace their list."""
    theirs = config.get('custom_imports') or {}
    modules = theirs.get('imports', [])
    modules = [modules] if isinstance(modules, str) else list(modules)
    if 'antialias_plugins' in modules:
        return {}
    ours = {'imports': [*modules, 'antialias_plugins']}
    return {'custom_imports': ours if theirs else ours | {'allow_failed_imports': False}}


def _source(value: Any) -> str:
    """Python source of a config value, with ``dict(key=value)`` where a dict allows it."""
    if isinstance(value, Mapping) and all(isinstance(key, str) and key.isidentifier() for key in value):
        return f'dict({", ".join(f"{key}={_source(item)}" for key, item in value.items())})'
    return repr(value)
