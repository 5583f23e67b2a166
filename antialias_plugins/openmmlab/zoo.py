"""The zoos: the configs that the installed OpenMMLab packages bring along."""

import os
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path

LIBRARIES = ('mmseg', 'mmdet', 'mmpretrain')


def installed_zoos() -> list[str]:
    """Those of mmseg, mmdet and mmpretrain that are installed; none of them is imported."""
    return [library for library in LIBRARIES if find_spec(library)]


def list_configs(library: str) -> dict[str, Path]:
    """All configs of an installed package but the pieces in ``_base_``, by their relative path without suffix.

    mmengine's own ``'mmseg::…'`` looks the package up by its distribution, which has another name on a fork of
    OpenMMLab; this looks into the folder of the package.

    Raises:
        ValueError: If there is no such package.
    """
    spec = find_spec(library) if library.isidentifier() else None
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
    if Path(base).is_file():
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
    nearest = get_close_matches(Path(name).name, [path.stem for zoo in zoos.values() for path in zoo.values()])
    hint = f'; did you mean {" or ".join(nearest)}?' if nearest else ''
    raise ValueError(
        f'base must be a config file or the name of a config in the installed zoo, got {str(base)!r}{hint}'
    )
