"""The losses of a training on several processes.

Each part of a batch is on one of them. ``python tests/openmmlab/parallel.py 4`` prints how far they are from those of
a single process; with the name of a file behind it, the losses are also written there.
"""

import multiprocessing
import os
import socket
import sys
import tempfile
from pathlib import Path

import torch
import torch.distributed
from exact import BATCH, POOLS, batches, build, train
from mmengine.model import MMDistributedDataParallel, MMFullyShardedDataParallel
from mmengine.optim import OptimWrapper
from mmengine.runner import FlexibleRunner

# Without it, FSDP asks for an accelerator.
CPU = 'cpu'


def data_parallel(pool, rank, processes):
    return train(MMDistributedDataParallel(build(pool), find_unused_parameters=False), batches(processes, rank))


def fully_sharded(pool, rank, processes):
    return train(MMFullyShardedDataParallel(build(pool), device_id=CPU), batches(processes, rank))


def accumulated(pool, rank, processes):
    """Gradients are exchanged at every second batch."""
    model = MMDistributedDataParallel(build(pool), find_unused_parameters=False)
    return train(model, batches(processes, rank), accumulative_counts=2)


KINDS = {kind.__name__: kind for kind in (data_parallel, fully_sharded, accumulated)}


def train_flexibly(pool, processes, folder):
    """Train by mmengine's `FSDPStrategy`, and save a checkpoint of all shards."""
    everywhere = {'rank0_only': False, 'offload_to_cpu': False}
    strategy = {
        'type': 'FSDPStrategy',
        # 'full' gathers the shards for the first process only, at which PyTorch 2.5 crashes on the CPU.
        'state_dict_cfg': {
            'state_dict_type': 'FULL_STATE_DICT',
            'state_dict_config': {'type': 'FullStateDictConfig', **everywhere},
            'optim_state_dict_config': {'type': 'FullOptimStateDictConfig', **everywhere},
        },
        'model_wrapper': {'type': 'MMFullyShardedDataParallel', 'device_id': CPU},
    }
    loader = {'dataset': {'type': 'Noise'}, 'sampler': {'type': 'InfiniteSampler', 'shuffle': False}}
    checkpoint = {'type': 'AtomicCheckpointHook', 'interval': 2, 'by_epoch': False, 'max_keep_ckpts': 1}
    runner = FlexibleRunner(
        build(pool),
        work_dir=str(folder),
        experiment_name='flexible',
        train_dataloader={**loader, 'batch_size': BATCH // processes, 'num_workers': 0},
        train_cfg={'type': 'ResumableTrainLoop', 'max_iters': 4},
        optim_wrapper={
            'type': OptimWrapper,
            'optimizer': {'type': 'SGD', 'lr': 0.02, 'momentum': 0.9, 'weight_decay': 5e-4},
        },
        default_hooks={'checkpoint': checkpoint},
        strategy=strategy,
        launcher='pytorch',
        env_cfg={'dist_cfg': {'backend': 'gloo'}},
        log_level='ERROR',
        default_scope='mmseg',
        randomness={'seed': 0},
    )
    runner.train()


def run(rank, processes, port, file, folder):
    """Run one process; the first writes the losses, as means over the processes."""
    # mmengine selects the GPU of number LOCAL_RANK, none for a negative one.
    shared = {'MASTER_ADDR': 'localhost', 'MASTER_PORT': port, 'WORLD_SIZE': processes}
    os.environ.update({name: str(value) for name, value in (shared | {'RANK': rank, 'LOCAL_RANK': -1}).items()})
    torch.distributed.init_process_group('gloo')
    results = {}
    for name, kind in KINDS.items():
        for pool in POOLS:
            losses = torch.tensor(kind(pool, rank, processes), dtype=torch.float64)
            torch.distributed.all_reduce(losses)
            results[name, pool] = (losses / processes).tolist()
    train_flexibly('ddac3', processes, folder)
    torch.distributed.destroy_process_group()
    if rank == 0:
        torch.save(results, file)


def main():
    processes = int(sys.argv[1])
    with socket.socket() as listener:
        listener.bind(('localhost', 0))
        port = listener.getsockname()[1]
    with tempfile.TemporaryDirectory() as temporary:
        file = Path(sys.argv[2]) if len(sys.argv) > 2 else Path(temporary, 'losses.pth')
        arguments = (processes, port, file, file.with_name('flexible'))
        context = multiprocessing.get_context('fork')
        ranks = [context.Process(target=run, args=(rank, *arguments)) for rank in range(processes)]
        for process in ranks:
            process.start()
        for process in ranks:
            process.join()
        if any(process.exitcode for process in ranks):
            sys.exit(f'exit codes: {[process.exitcode for process in ranks]}')
        report(torch.load(file, weights_only=True))


def report(results):
    for (name, pool), losses in results.items():
        options = {'accumulative_counts': 2} if name == 'accumulated' else {}
        single = train(build(pool), batches(), **options)
        error = max(abs(a - b) / abs(b) for a, b in zip(losses, single, strict=True))
        print(f'{name:15} {pool or "baseline":8}  {losses[0]:.4f} -> {losses[-1]:.4f}  {error:.1e}')


if __name__ == '__main__':
    torch.set_num_threads(1)
    main()
