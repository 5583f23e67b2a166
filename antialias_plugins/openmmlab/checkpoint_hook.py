"""The hook that writes checkpoints so that a training may be killed at any moment."""

from collections import deque
from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.fileio import LocalBackend, register_backend
from mmengine.hooks import CheckpointHook
from mmengine.registry import HOOKS
from mmengine.runner import Runner

from antialias_plugins.files import remove_partials, replacing


@HOOKS.register_module()
class AtomicCheckpointHook(CheckpointHook):
    """mmengine's `CheckpointHook`, which leaves a whole checkpoint to resume from whenever the training is killed.

    mmengine's removes an outdated checkpoint before it writes the new one, and writes files in place: a training with
    ``max_keep_ckpts=1`` that is killed in between has lost everything, one that is killed while it writes the
    checkpoint of its best validation again, or the name in ``last_checkpoint``, cannot be resumed without help. Here
    each file is written under another name first, ``last_checkpoint`` names a checkpoint once it is there, and only
    then are outdated ones removed; what a killed training could not remove, the resumed one does.

    (Under `FlexibleRunner` the strategy writes the files, in place; the order is the same.)

    Args:
        **options: Options of `CheckpointHook`. The folder is one of the local file system.

    Raises:
        ValueError: If an option names another file system.
    """

    def __init__(self, **options: Any) -> None:
        for name in ('backend_args', 'file_client_args'):
            if options.get(name) is not None:
                raise ValueError(f'AtomicCheckpointHook: {name} must be None, for local files, got {options[name]!r}')
        if '://' in str(options.get('out_dir')):
            raise ValueError(f'AtomicCheckpointHook: out_dir must be a local folder, got {options["out_dir"]!r}')
        super().__init__(**options | {'backend_args': {'backend': 'atomic'}})

    def before_train(self, runner: Runner) -> None:
        """Remove what a killed training has left."""
        super().before_train(runner)
        if is_main_process():
            remove_partials(Path(self.out_dir))
            remove_partials(Path(runner.work_dir))

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        """Write the checkpoint, name it, and remove outdated ones, in this order."""
        name = self.filename_tmpl.format(step)
        self.last_ckpt = str(Path(self.out_dir, name))
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        outdated = self._outdate(runner, step)
        options = {'save_optimizer': self.save_optimizer, 'save_param_scheduler': self.save_param_scheduler}
        options |= {'by_epoch': self.by_epoch, 'backend_args': self.backend_args, **self.args}
        runner.save_checkpoint(self.out_dir, name, meta=meta, **options)
        if is_main_process():
            with replacing(Path(runner.work_dir, 'last_checkpoint')) as partial:
                partial.write_text(self.last_ckpt)
            for path in outdated:
                path.unlink(missing_ok=True)

    def _outdate(self, runner: Runner, step: int) -> list[Path]:
        """Note that a checkpoint is to be kept, and return those that are not any more."""
        if self.max_keep_ckpts <= 0:
            return []
        kept = [other for other in self.keep_ckpt_ids if other != step] + [step]
        # With the outdated ones: a training that is resumed from this checkpoint removes them if they are there.
        runner.message_hub.update_info('keep_ckpt_ids', kept)
        self.keep_ckpt_ids = deque(kept, self.max_keep_ckpts)
        return [Path(self.out_dir, self.filename_tmpl.format(other)) for other in kept[: -self.max_keep_ckpts]]


@register_backend('atomic')
class AtomicLocalBackend(LocalBackend):
    """mmengine's local file system, where a file of bytes is whole or not there."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file under another name, which becomes `filepath` once it is complete."""
        with replacing(Path(filepath)) as partial:
            super().put(obj, partial)
