"""The peak of what torch's allocator hands out."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile


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
