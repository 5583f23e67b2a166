"""Cost of a call: bytes saved for backward, peak of the allocator, and time, taken in turns."""

import json
import tempfile
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.benchmark import Measurement, Timer


@dataclass(frozen=True)
class SavedBytes:
    """Bytes of the storages that autograd saves, each counted once and as a whole, however many views of it are saved.

    Attributes:
        activations: What the forward pass made, its output included: memory that backward costs.
        input: The storage of the input if it is saved. In a network something else keeps it alive more often than not.
        parameters: Parameters and buffers, which are alive anyway.
    """

    activations: int
    input: int
    parameters: int


@dataclass(eq=False)
class _Saved:
    """Lives as long as the graph that saved the tensor."""

    tensor: Tensor


def count_saved_bytes(module: nn.Module, input: Tensor) -> SavedBytes:
    """Run a forward pass and count what it saves, as long as the graph of its output keeps it.

    Tensors that a custom `torch.autograd.Function` keeps in attributes of its context, rather than by
    `save_for_backward`, are hidden from autograd and from this count; the peak of a pass has them.

    Args:
        module: In the mode, type and place of which to count.
        input: Its input; set ``requires_grad`` if backward goes to it.

    Returns:
        The bytes.
    """
    everything = weakref.WeakSet()

    def pack(tensor: Tensor) -> _Saved:
        saved = _Saved(tensor.detach())  # an output is part of the graph: that would keep itself alive
        everything.add(saved)
        return saved

    with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor):
        output = module(input)
    storages = {_address(saved.tensor): saved.tensor.untyped_storage() for saved in everything}
    parameters = {_address(tensor) for tensor in (*module.parameters(), *module.buffers())}
    sums = dict.fromkeys(('activations', 'input', 'parameters'), 0)
    for address, storage in storages.items():
        kind = 'input' if address == _address(input) else 'parameters' if address in parameters else 'activations'
        sums[kind] += storage.nbytes()
    del output
    return SavedBytes(**sums)


def _address(tensor: Tensor) -> tuple[torch.device, int]:
    return tensor.device, tensor.untyped_storage().data_ptr()


def peak_bytes(run: Callable[[], object], device: torch.device) -> int:
    """Return how many bytes more than before are allocated when a call allocates most.

    On the CPU the profiler lists every allocation. On CUDA the caching allocator keeps the peak itself. Neither sees
    what a library allocates behind torch's back.

    Args:
        run: What to call. It is called twice, because a first call may fill caches.
        device: Where it computes.

    Returns:
        The bytes, 0 if nothing is allocated.
    """
    run()
    return _cuda_peak(run, device) if device.type == 'cuda' else _cpu_peak(run)


def _cuda_peak(run: Callable[[], object], device: torch.device) -> int:
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def _cpu_peak(run: Callable[[], object]) -> int:
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'trace.json'
        profiler.export_chrome_trace(str(path))
        events = json.loads(path.read_text())['traceEvents']
    events = sorted((event for event in events if event['name'] == '[memory]'), key=lambda event: event['ts'])
    if not events:
        return 0
    first = events[0]['args']
    before = first['Total Allocated'] - first['Bytes']
    return max(0, max(event['args']['Total Allocated'] for event in events) - before)


@dataclass(frozen=True)
class Timing:
    """Seconds of one call.

    Attributes:
        median: Over all measurements of all rounds.
        spread: Their interquartile range.
        count: How many measurements there are. A short call is repeated within each of them.
    """

    median: float
    spread: float
    count: int


def time_interleaved(
    runs: Mapping[str, Callable[[], object]], rounds: int = 5, seconds: float = 0.1
) -> dict[str, Timing]:
    """Time some calls in turns, so that a machine that slows down slows all of them down.

    Each turn warms up, and waits for CUDA. Every round starts with another call.

    Args:
        runs: What to call, by name.
        rounds: How many turns each gets.
        seconds: How long a turn lasts at least.

    Returns:
        The timings, by name.
    """
    threads = torch.get_num_threads()
    timers = {name: Timer('run()', globals={'run': run}, num_threads=threads) for name, run in runs.items()}
    measured: dict[str, list[Measurement]] = {name: [] for name in runs}
    names = list(runs)
    for turn in range(rounds):
        start = turn % len(names)
        for name in names[start:] + names[:start]:
            measured[name].append(timers[name].blocked_autorange(min_run_time=seconds))
    return {name: _timing(measurements) for name, measurements in measured.items()}


def _timing(measurements: list[Measurement]) -> Timing:
    (merged,) = Measurement.merge(measurements)
    return Timing(merged.median, merged.iqr, len(merged.times))
