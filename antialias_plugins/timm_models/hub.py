"""Antialiased networks on the Hugging Face hub, in timm's format, which says that the plug-in is needed."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import timm
import torch
import yaml
from huggingface_hub.utils import HFValidationError, validate_repo_id
from timm.models import model_entrypoint, push_to_hf_hub, save_for_hf
from timm.models._hub import generate_readme
from torch import nn

from antialias_plugins.utils import as_path, write_text
from antialias_plugins.version import __version__

PACKAGE = 'antialias_plugins'
_CONFIG = {'requires': {PACKAGE: __version__}}  # beside timm's own entries
_USAGE = """\
The network is built by [timm](https://github.com/huggingface/pytorch-image-models) with the Python package
`antialias_plugins`, whose import registers its name. Without it timm says `Unknown model ({architecture})`.

```python
import antialias_plugins
import timm

model = timm.create_model({source!r}, pretrained=True).eval()
```
"""


def save_for_hub(
    model: nn.Module,
    folder: str | Path,
    *,
    repo_id: str | None = None,
    license: str | None = None,
    card: Mapping[str, Any] | None = None,
) -> Path:
    """Write a network as timm writes it for the hub: ``model.safetensors``, ``config.json`` and ``README.md``.

    ``timm.create_model('local-dir:<folder>', pretrained=True)`` builds it again, filters and all their arguments
    included. That is tried before anything is written.

    Args:
        model: what ``timm.create_model`` built under one of the names that this package registers.
        folder: made if need be; files of these names are replaced.
        repo_id: ``'owner/name'`` on the hub, for the example in the card; `folder` if None.
        license: of the weights, as the hub spells it (``'apache-2.0'``); if None, that of the published weights of this
            name, or ``'unknown'``.
        card: further entries of timm's model card, such as ``description``, ``details`` or ``citation``.

    Returns:
        The folder.

    Raises:
        ValueError: timm would build another network from the files (before 1.0.31 it does not save the arguments of
            one), or an argument would write something else into the head of the card than what it is: ``license`` and
            the like are a word or a line.

    Example:
        >>> model = timm.create_model('resnet18_lpf4', padding_mode='zeros')
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     again = timm.create_model(f'local-dir:{save_for_hub(model, folder)}', pretrained=True)
        >>> again.layer2[0].aa.padding_mode
        'zeros'
    """
    folder = as_path('folder', folder)
    source = f'hf-hub:{_checked_repo(repo_id)}' if repo_id is not None else f'local-dir:{folder}'
    text = generate_readme(_make_card(model, source, license, card), repo_id or _architecture(model))
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix='.partial-') as partial:
        save_for_hf(model, partial, _CONFIG, safe_serialization=True)
        _check(model, partial)
        write_text(Path(partial, 'README.md'), text)
        for file in Path(partial).iterdir():
            file.replace(folder / file.name)
    return folder


def push_to_hub(
    model: nn.Module,
    repo_id: str,
    *,
    license: str | None = None,
    card: Mapping[str, Any] | None = None,
    **options: Any,
) -> Any:
    """Upload what `save_for_hub` writes. A model card that the repository has already is left as it is.

    Args:
        model: as in `save_for_hub`.
        repo_id: ``'owner/name'``; the repository is made if need be.
        license: as in `save_for_hub`.
        card: as in `save_for_hub`.
        options: of ``timm.models.push_to_hf_hub``: ``token``, ``private``, ``revision``, ``create_pr``,
            ``commit_message``, ``data_config``.

    Returns:
        What the hub says about the commit.

    Raises:
        ValueError: timm would build another network from the files; nothing was uploaded.
    """
    made = _make_card(model, f'hf-hub:{_checked_repo(repo_id)}', license, card)
    with tempfile.TemporaryDirectory() as folder:
        save_for_hub(model, folder)
    return push_to_hf_hub(
        model,
        repo_id,
        model_config=_CONFIG,
        model_card=made,
        safe_serialization=True,
        **options,
    )


def _checked_repo(repo_id: str) -> str:
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise ValueError(f"repo_id must be 'name' or 'owner/name' on the hub, got {repo_id!r}") from error
    return repo_id


def _architecture(model: nn.Module) -> str:
    """The name in timm's registry."""
    cfg = getattr(model, 'pretrained_cfg', None)
    if not cfg or not cfg.get('architecture'):
        raise ValueError(
            f'model must be built by timm.create_model, got a {type(model).__name__} without a name in timm'
        )
    return cfg['architecture']


def _make_card(model: nn.Module, source: str, license: str | None, card: Mapping[str, Any] | None) -> dict[str, Any]:
    architecture = _architecture(model)
    description = model_entrypoint(architecture).__doc__
    if card is not None and not isinstance(card, Mapping):
        raise ValueError(f'card must be a dict of entries, got {card!r}')
    made = {
        'tags': ['image-classification', 'timm', PACKAGE],
        'library_name': PACKAGE,
        'license': model.pretrained_cfg.get('license') or 'unknown' if license is None else license,
        'usage': _USAGE.format(architecture=architecture, source=source),
        **({'description': description} if description else {}),
        **(card or {}),
    }
    _check_head(made)
    return made


def _check_head(card: Mapping[str, Any]) -> None:
    """Make sure of every entry that timm writes, as it is, into the head of a card, which is YAML."""
    details = card.get('details', {})
    if not isinstance(details, Mapping):
        raise ValueError(f"card['details'] must be a dict, got {details!r}")
    entries = {name: card[name] for name in ('tags', 'license', 'license_name', 'license_link') if name in card}
    entries |= {name: details[name] for name in ('Dataset', 'Pretrain Dataset') if name in details}
    for name, value in entries.items():
        for word in value if isinstance(value, (list, tuple)) and 'license' not in name else [value]:
            if not isinstance(word, str) or not _is_read_back(word):
                raise ValueError(f'{name} must be plain text on one line, as the hub spells it, got {word!r}')


def _is_read_back(word: str) -> bool:
    try:
        return yaml.safe_load(f'- {word}\n') == [word] and yaml.safe_load(f'name: {word}\n') == {'name': word}
    except yaml.YAMLError:
        return False


def _check(model: nn.Module, folder: str) -> None:
    """Build the network from its files, and compare every filter and every weight."""
    again = timm.create_model(f'local-dir:{folder}', pretrained=True)
    saved, loaded = _filters(model), _filters(again)
    for name in sorted(saved.keys() | loaded.keys()):
        if saved.get(name) != loaded.get(name):
            raise ValueError(
                f'model must be as timm.create_model({_architecture(model)!r}) built it, but at {name} it has '
                f'{saved.get(name, "no filter")}, where timm would build {loaded.get(name, "none")}'
            )
    loaded_state = again.state_dict()
    assert all(torch.equal(value.cpu(), loaded_state[key]) for key, value in model.state_dict().items())


def _filters(model: nn.Module) -> dict[str, str]:
    """What this package put into a network, by name."""
    changed = ((name, module) for name, module in model.named_modules() if type(module).__module__.startswith(PACKAGE))
    return {name: f'{type(module).__name__}({module.extra_repr()})' for name, module in changed}
