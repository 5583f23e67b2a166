"""Survey of the configs of the zoos, with a journal of the results."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from mmengine.config import Config

from antialias_plugins.openmmlab.child_config import find_backbones, write_child_config
from lab.coverage import Outcome
from lab.coverage.check import in_words
from lab.coverage.survey import DECISIVE, LAB, PACKAGE, library_versions, source_digest
from lab.journal import Journal
from lab.zoos.check import RUNS, BackboneResult, ConfigResult, check_backbone, check_model
from lab.zoos.configs import ZooConfig, antialiased_backbones


def check_configs(configs: Iterable[ZooConfig], journal: Path | None = None) -> Iterator[ConfigResult]:
    """Check all configs, one after the other; backbones that differ in nothing but their initial weights once.

    Of each library and type of backbone that is converted, whole models are built until one runs.

    Args:
        configs: what to check.
        journal: a file of JSON lines, to which every result is appended at once. What it has from the same versions of
            everything and the same source of this package is not checked again. None: nothing is remembered.
    """
    source = source_digest((*DECISIVE, PACKAGE / 'openmmlab', LAB / 'zoos'))
    remembered = Journal(journal, 'config', {'versions': library_versions()})
    known: dict[str, BackboneResult] = {}
    types: set[tuple[str, str]] = set()
    for config in configs:
        entry = remembered.get(config.key)
        if entry.get('source') == source:
            result = ConfigResult.from_json(entry['result'])
        else:
            result = check_config(config, known, types)
            remembered.add(config.key, source=source, result=result.to_json())
        known |= {backbone.digest: backbone for backbone in result.backbones}
        types |= {(result.library, result.type)} if result.model == RUNS else set()
        yield result


def check_config(
    config: ZooConfig, known: dict[str, BackboneResult] | None = None, types: Iterable[tuple[str, str]] = ()
) -> ConfigResult:
    """Read a config, write its child config with ``lpf4``, and build what that says.

    Args:
        config: what to check.
        known: results of backbones by their digest, which are not built again.
        types: libraries and types of backbones of which a whole model runs.

    Returns:
        Its result. Nothing is raised: an error of the config or of the conversion is the result's reason.
    """
    failed = _unreadable(config)
    if failed:
        return failed
    with TemporaryDirectory() as folder:
        try:
            path = write_child_config(config.path, Path(folder) / 'child.py')
            child = Config.fromfile(path, import_custom_modules=False)  # what cannot be imported, the build says
        except ValueError as error:
            return ConfigResult(config.library, config.name, Outcome.REFUSED, _without_path(error))
    backbones = antialiased_backbones(child, config.library)
    results = [
        replace((known or {}).get(it.digest) or check_backbone(it, config.library), key=it.key) for it in backbones
    ]
    result = ConfigResult.of(config.library, config.name, tuple(results))
    if result.outcome is Outcome.CONVERTED and (result.library, result.type) not in types:
        result = replace(result, model=check_model(child, config.library))
    return result


def _unreadable(config: ZooConfig) -> ConfigResult | None:
    """The result of a config that cannot be read, or that has no backbone; None for all others."""
    try:
        content = Config.fromfile(config.path, import_custom_modules=False)
    except Exception as error:  # a config that its own library cannot read is a row of the table
        reason = f'cannot be read: {in_words(error)}'.replace(str(config.path.parents[1]), '…')
        return ConfigResult(config.library, config.name, Outcome.NOT_RUN, reason)
    if 'model' not in content:
        return ConfigResult(config.library, config.name, Outcome.NOT_APPLICABLE, 'a piece of a config, without a model')
    try:
        has_backbone = bool(find_backbones(content))
    except ValueError as error:
        return ConfigResult(config.library, config.name, Outcome.REFUSED, str(error))
    if has_backbone:
        return None
    return ConfigResult(config.library, config.name, Outcome.NOT_APPLICABLE, 'no backbone')


def _without_path(error: ValueError) -> str:
    return str(error).rpartition(', got')[0]
