"""Child configs that antialias the backbone of any existing config, and the zoos in which those are found."""

import keyword
import math
import os
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import NoneType
from typing import Any

from mmengine.config import Config

from antialias_plugins.conversion.plan import Options
from antialias_plugins.functional.arguments import check_flag
from antialias_plugins.layers import resolve_pool
from antialias_plugins.layers.pool import suggest
from antialias_plugins.openmmlab.antialiased import check_convert
from antialias_plugins.utils import as_path, write_text

LIBRARIES = ('mmseg', 'mmdet', 'mmpretrain')
_OUR_KEYS = ('base', 'pool', 'convert')
_BACKBONES = ('backbone', 'image_encoder', 'rfp_backbone', 'vision_backbone', 'vision_encoder', 'visual_encoder')


def write_child_config(
    base: str | os.PathLike,
    out: str | os.PathLike,
    pool: str = 'lpf4',
    convert: Mapping[str, Any] | None = None,
    *,
    options: Mapping[str, Any] | None = None,
    consistency: bool = False,
    overwrite: bool = False,
) -> Path:
    """Write a config that inherits from `base`, a config of any OpenMMLab package, and antialiases its backbone.

    Nothing else changes but what `options` name: the data preprocessor, the initialization and the schedule are those
    of `base`.

    Args:
        base: A config file, or the name of a config in an installed zoo, with or without its folder, suffix and scope:
            ``'mmseg::deeplabv3plus/deeplabv3plus_r50-d8_4xb2-80k_cityscapes-512x1024.py'``; see
            :func:`find_config`. Every backbone in it is antialiased, see :func:`find_backbones`.
        out: The file to write. It refers to a config of the zoo by an absolute path, to a file by a relative one
            where the two have a folder in common.
        pool: Shorthand of the filter, such as ``'lpf4'`` or ``'ddac3'``.
        convert: Options of :func:`~antialias_plugins.convert_antialias`.
        options: Other values that differ from those of `base`, by their dotted key, as ``--cfg-options`` of OpenMMLab's
            tools take them: ``{'model.data_preprocessor.size': (768, 768)}``. An item of a list is named by its index.
        consistency: Whether the test loop also measures the shift consistency.
        overwrite: Whether `out` may exist.

    Returns:
        The path of the file that was written; it appears complete or not at all.

    Raises:
        ValueError: If `base` cannot be found or is ambiguous, has no backbone or an antialiased one, or is of
            mmengine's new style (``read_base``), or if `pool`, `convert`, `options` or the suffix of `out` is wrong.
        FileExistsError: If `out` exists and `overwrite` is not set.
    """
    out, base = as_path('out', out), as_path('base', base)
    check_flag('consistency', consistency)
    check_flag('overwrite', overwrite)
    options = {} if options is None else options
    if not isinstance(options, Mapping) or not all(isinstance(key, str) for key in options):
        raise ValueError(f'options must be values by their dotted key, got {options!r}')
    if out.suffix != '.py':
        raise ValueError(f'out must be a .py file, got {str(out)!r}')
    if out.exists() and not overwrite:
        raise FileExistsError(f'out exists: {str(out)!r}; ask to overwrite it, or choose another name')
    resolve_pool(pool)
    convert = check_convert(convert)
    Options(stem=convert.get('stem', False))
    path = find_config(base)
    config = Config.fromfile(path, import_custom_modules=False)
    imports, changes = _custom_imports(config), Config()
    changes.merge_from_dict(_merge(options, config))
    backbones = find_backbones(config)
    if not backbones:
        keys = f'one of {", ".join(_BACKBONES)} inside its model'
        raise ValueError(f'base must have a backbone to antialias, {keys}, got {str(path)!r}')
    changes.merge_from_dict({key: _antialiased(it, pool, convert, path) for key, it in backbones.items()})
    if consistency:
        changes.merge_from_dict({'test_cfg.type': 'ShiftConsistencyTestLoop'})
    if wrong := [key for key in changes.to_dict() if not _is_name(key)]:
        raise ValueError(f'options must change keys that are names of Python, got {wrong[0]!r}')
    content = {'_base_': _reference(path, out) if Path(base).is_file() else str(path), **imports, **changes.to_dict()}
    write_text(out, ''.join(f'{key} = {_source(value)}\n' for key, value in content.items()))
    return out


def find_backbones(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the networks of a config's model that see the image, by their dotted key.

    They are what the model, or a part of it (the detector of a tracker or of a teacher and its student, a recursive
    pyramid), keeps under the key ``backbone``, ``image_encoder``, ``rfp_backbone``, ``vision_backbone``,
    ``vision_encoder`` or ``visual_encoder``.

    Args:
        config: The whole config.

    Returns:
        The config of each backbone; empty if there is none.

    Raises:
        ValueError: If a backbone is a list of layers, which a child config cannot change one by one.

    Example:
        >>> list(find_backbones({'model': {'detector': {'backbone': {'type': 'ResNet'}}}}))
        ['model.detector.backbone']
    """
    if not isinstance(config, (Config, Mapping)):
        raise ValueError(f'config must be a config of mmengine or a dict, got {config!r:.200}')
    return dict(_backbones('model', config.get('model') or {}))


def _backbones(key: str, model: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, value in model.items():
        path = f'{key}.{name}'
        if name in _BACKBONES and isinstance(value, list | tuple):
            raise ValueError(f'base must have a single network as {path}, got a list of {len(value)}')
        if name in _BACKBONES and isinstance(value, Mapping) and 'type' in value:
            yield path, value
        elif isinstance(value, Mapping):
            yield from _backbones(path, value)


def installed_zoos() -> list[str]:
    """Those of mmseg, mmdet and mmpretrain that are installed; none of them is imported."""
    return [library for library in LIBRARIES if find_spec(library)]


def check_installed(scope: str) -> None:
    """Raise a `ModuleNotFoundError` if the package of a scope is one of them, and missing; mmengine would go on."""
    if scope in LIBRARIES and not find_spec(scope):
        raise ModuleNotFoundError(f'{scope} is not installed', name=scope)


def list_configs(library: str) -> dict[str, Path]:
    """All configs of an installed package but the pieces in ``_base_``, by their relative path without suffix.

    mmengine's own ``'mmseg::…'`` looks the package up by its distribution, which has another name on a fork of
    OpenMMLab; this looks into the folder of the package.

    Raises:
        ValueError: If there is no such package.
    """
    spec = find_spec(library) if isinstance(library, str) and library.isidentifier() else None
    if spec is None or spec.origin is None:
        raise ValueError(f'base must name a config of an installed package, got {library!r}')
    root = Path(spec.origin).parent / '.mim' / 'configs'
    files = (path for path in sorted(root.rglob('*.py')) if '_base_' not in path.parts)
    return {path.relative_to(root).with_suffix('').as_posix(): path for path in files}


def find_config(base: str | os.PathLike) -> Path:
    """Return the absolute path of a config, given its path or its name in the zoo of an installed package.

    Args:
        base: A file, or a name with or without folder and suffix; without a scope (``'mmdet::'``), it is looked for in
            all of mmseg, mmdet and mmpretrain.

    Raises:
        ValueError: If there is no such file or config, and the nearest names are suggested, or if there are several,
            and all are listed.
    """
    if as_path('base', base).is_file():
        return Path(base).absolute()
    package, separator, name = str(base).rpartition('::')
    name = name.removesuffix('.py')
    zoos = {library: list_configs(library) for library in ([package] if separator else installed_zoos())}
    found = {
        f'{library}::{relative}': path
        for library, zoo in zoos.items()
        for relative, path in zoo.items()
        if name in (relative, path.stem)
    }
    if len(found) == 1:
        return found.popitem()[1]
    if found:
        raise ValueError(f'base must be the name of one config, got {str(base)!r}, which is any of {", ".join(found)}')
    hint = suggest(Path(name).name, [path.stem for zoo in zoos.values() for path in zoo.values()])
    raise ValueError(
        f'base must be a config file or the name of a config in the installed zoo, got {str(base)!r}{hint}'
    )


def _merge(options: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """Merge options into `config`; return them as a child config may have them: with whole lists, not parts of one."""
    try:
        config.merge_from_dict(dict(options))
    except (KeyError, TypeError) as error:
        raise ValueError(f'options must fit the config that they change, got {dict(options)}: {error}') from error
    found = {}
    for key, value in options.items():
        names, node = key.split('.'), config
        for depth, name in enumerate(names[:-1], 1):
            node = node[name]
            if isinstance(node, list):
                key, value = '.'.join(names[:depth]), node
                break
        found[key] = value
    return found


def _reference(path: Path, out: Path) -> str:
    """How `out` refers to `path`: relative, unless they have nothing but the root of the file system in common."""
    common = os.path.commonpath([path, out.absolute()])
    return str(path) if common == path.anchor else os.path.relpath(path, out.absolute().parent)


def _antialiased(backbone: Mapping[str, Any], pool: str, convert: dict[str, Any], path: Path) -> dict[str, Any]:
    """What a child config says of a backbone of the config at `path`."""
    if backbone['type'] == 'Antialiased':
        raise ValueError(f'base must have a backbone that is not antialiased yet, got {str(path)!r}')
    if not isinstance(backbone['type'], str):
        raise ValueError(f'base must be a config with a text _base_, not one of the new style, got {str(path)!r}')
    clash = [key for key in _OUR_KEYS if key in backbone]
    if clash:
        raise ValueError(
            f'base must leave the keys {", ".join(_OUR_KEYS)} to Antialiased, got {clash} in {str(path)!r}'
        )
    return {'type': 'Antialiased', 'base': backbone['type'], 'pool': pool, **({'convert': convert} if convert else {})}


def _custom_imports(config: Config) -> dict[str, Any]:
    """The override that adds this package to the imports of `config`; mmengine would replace their list."""
    theirs = config.get('custom_imports') or {}
    modules = theirs.get('imports', [])
    modules = [modules] if isinstance(modules, str) else list(modules)
    # mmdet needs operators that not every mmcv has; where they are compiled, the second import does nothing.
    needed = ['antialias_plugins', *['antialias_plugins.openmmlab.mmcv_ops'] * (config.get('default_scope') == 'mmdet')]
    missing = [module for module in needed if module not in modules]
    if not missing:
        return {}
    ours = {'imports': [*modules, *missing]}
    return {'custom_imports': ours if theirs else ours | {'allow_failed_imports': False}}


def _source(value: Any) -> str:
    """Python source of a config value, with ``dict(key=value)`` where a dict allows it."""
    if isinstance(value, Mapping) and all(isinstance(key, str) and _is_name(key) for key in value):
        return f'dict({", ".join(f"{key}={_source(item)}" for key, item in value.items())})'
    if isinstance(value, Mapping):
        return f'{{{", ".join(f"{_source(key)}: {_source(item)}" for key, item in value.items())}}}'
    if isinstance(value, (list, tuple)):
        items = ', '.join(map(_source, value))
        return f'[{items}]' if isinstance(value, list) else f'({items}{"," * (len(value) == 1)})'
    if isinstance(value, float) and not math.isfinite(value):
        return f'float({str(value)!r})'
    if not isinstance(value, (str, bytes, bool, int, float, NoneType)):
        raise ValueError(f'options must be values that a config file can hold, got {value!r}')
    return repr(value).replace('{{', r'{\x7b')  # mmengine would put something else in the place of {{ }}


def _is_name(key: str) -> bool:
    return key.isidentifier() and not keyword.iskeyword(key)
