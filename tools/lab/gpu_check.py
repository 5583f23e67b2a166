"""Check Triton's kernels on this GPU and measure them: tests, parity, sizes, memory, bandwidth, benchmark.

The tests and each benchmark have their share of the time. What does not fit is named in the report, not dropped.
"""

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F
from torch import Tensor

from antialias_plugins.functional import adaptive_blur_pool2d, blur_pool2d, max_blur_pool2d
from antialias_plugins.kernels import backend, first_use, use_backend
from antialias_plugins.utils import markdown_table, replacing
from lab.benchmark import Result, Settings, describe, make_cases, measure_case
from lab.benchmark.cost import peak_bytes, time_interleaved
from lab.benchmark.report import as_record, format_group, format_means
from lab.command import add_quick, make_parser

DTYPES = {'float32': torch.float32, 'float16': torch.float16, 'bfloat16': torch.bfloat16}
FORMATS = {'contiguous': torch.contiguous_format, 'channels_last': torch.channels_last}
SHAPES = [(4, 64, 112, 112), (2, 256, 65, 129), (3, 504, 28, 28), (8, 2048, 7, 7), (1, 8, 3, 200)]
GROUPS = 8
# Of the largest value, in roundings of the type: logits are rounded to it, and two gradients are added in it.
ROUNDINGS = 16
TEST_SECONDS = 150
# Suite, type, channels last, seconds. The other parts take what they take, about a minute together.
BENCHMARKS = (
    ('layers', 'float32', False, 90),
    ('layers', 'bfloat16', True, 50),
    ('step', 'float32', False, 30),
    ('networks', 'float32', False, 40),
    ('compiled', 'float32', False, 30),
)


def _logits(map: Tensor) -> Tensor:
    """Logits (N, 9 G, H', W') that depend on the map."""
    scale = torch.arange(9 * GROUPS, device=map.device).sub(30).mul(0.05).sin().to(map.dtype)
    return F.avg_pool2d(map, 2, ceil_mode=True)[:, :1] * scale[:, None, None]


OPS: dict[str, Callable[[Tensor], Tensor]] = {
    'blur_pool2d': lambda map: blur_pool2d(map, 4, 2, 'reflect'),
    'max_blur_pool2d': lambda map: max_blur_pool2d(map, 3, 2, 1, 3, 'circular'),
    'adaptive_blur_pool2d, group': lambda map: adaptive_blur_pool2d(map, _logits(map), groups=GROUPS),
    'adaptive_blur_pool2d, joint': lambda map: adaptive_blur_pool2d(map, _logits(map), groups=GROUPS, softmax='joint'),
}


class Check:
    """The parts of the check.

    Args:
        device: of the maps; 'cpu' is for a dry run in Triton's interpreter.
        quick: small shapes and short timings.
    """

    def __init__(self, device: str, quick: bool) -> None:
        self.device, self.quick = torch.device(device), quick
        self.shapes = [(1, 8, 9, 12)] if quick else SHAPES
        self.left_out: list[str] = []

    def tests(self) -> dict[str, Any]:
        """Run the tests of the kernels, compiled."""
        files = ['tests/kernels/test_cuda.py', 'tests/kernels/test_triton.py', 'tests/kernels/test_first_use.py']
        command = [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', '-n', '0', '--tb=short']
        seconds = 1 if self.quick else TEST_SECONDS
        try:
            run = subprocess.run([*command, *files], capture_output=True, text=True, timeout=seconds)
        except subprocess.TimeoutExpired as error:
            self.left_out.append(f'tests: stopped after {seconds} s')
            return {'status': None, 'output': (error.stdout or b'').decode()[-4000:]}
        return {'status': run.returncode, 'output': (run.stdout + run.stderr)[-4000:]}

    def first_use(self) -> list[dict[str, Any]]:
        """Milliseconds of the comparison at the first use of each kernel: with what Triton compiles, and without."""
        rows, seconds, original = [], [], first_use._try

        def timed(*arguments: Any) -> str:
            obstacle = []
            seconds.append(self._seconds(lambda: obstacle.append(original(*arguments))))
            return obstacle[0]

        with mock.patch.object(first_use, '_try', timed), mock.patch.object(backend, '_is_on_gpu', lambda map: True):
            for (op, function), (dtype, layout) in itertools.product(OPS.items(), self._types()):
                seconds.clear()
                for _ in range(2):
                    first_use._verdicts.clear()
                    function(self._draw((2, 8 if self.quick else 64, 16, 16), dtype, layout))
                rows.append({'op': op, 'dtype': dtype, 'format': layout, 'holds': all(first_use._verdicts.values())})
                rows[-1] |= {'compiling_ms': 1e3 * seconds[0], 'compiled_ms': 1e3 * seconds[1]}
        return rows

    def parity(self) -> list[dict[str, Any]]:
        """Largest error of values and gradients against float64, in roundings of the type."""
        rows = []
        for (op, function), (dtype, layout), shape in itertools.product(OPS.items(), self._types(), self.shapes):
            map = self._draw(shape, dtype, layout)
            actual, wanted = (_run(function, *pair) for pair in ((map, 'triton'), (map.double(), 'eager')))
            errors = [_roundings(one, other) for one, other in zip(actual, wanted, strict=True)]
            rows.append({'op': op, 'dtype': dtype, 'format': layout, 'shape': shape})
            rows[-1] |= {'values': errors[0], 'gradient': errors[1], 'holds': max(errors) <= ROUNDINGS}
        return rows

    def sizes(self) -> list[dict[str, Any]]:
        """Maps of more than 2^31 elements: the last image against the same alone, values and gradient."""
        channels, side = (8, 8) if self.quick else (64, 128)
        images = 3 if self.quick else 2**31 // (channels * side**2) + 2
        rows = []
        for (op, function), layout in itertools.product(OPS.items(), FORMATS):
            need, free = images * channels * side**2 * 12, self._free_bytes()
            if need > free:
                self.left_out.append(f'sizes: {op}, {layout} needs {need / 2**30:.0f} GiB, {free / 2**30:.0f} are free')
                continue
            map = torch.empty((images, channels, side, side), dtype=torch.bfloat16, device=self.device)
            map = map.contiguous(memory_format=FORMATS[layout])
            for part in map.split(64):
                part.copy_(torch.randn(part.shape, device=self.device))
            large, alone = (_run(function, one, 'triton') for one in (map, map[-1:].clone()))
            equal = all(torch.equal(one[-1:], other) for one, other in zip(large, alone, strict=True))
            rows.append({'op': op, 'format': layout, 'elements': map.numel(), 'holds': equal})
            del map, large, alone
        return rows

    def bandwidth(self) -> list[dict[str, Any]]:
        """Time and peak memory of each kernel on a large map, beside those of a copy of the same bytes."""
        shape = self.shapes[0] if self.quick else (64, 256, 56, 56)
        rows = []
        for dtype, layout in self._types():
            map = self._draw(shape, dtype, layout)
            target, forwards, trainings = torch.empty_like(map), {}, {}
            for op, function in OPS.items():
                forwards[op] = partial(_forward, function, map)
                trainings[op] = partial(_run, function, map, 'triton')
            with use_backend('triton'):
                copy = time_interleaved({'copy': lambda target=target, map=map: target.copy_(map)}, **self._timing())
                forward, training = (time_interleaved(runs, **self._timing()) for runs in (forwards, trainings))
                for op in OPS:
                    rows.append({'op': op, 'dtype': dtype, 'format': layout, 'bytes': map.nbytes})
                    rows[-1] |= {'copy_ms': 1e3 * copy['copy'].median, 'forward_ms': 1e3 * forward[op].median}
                    rows[-1] |= {'training_ms': 1e3 * training[op].median}
                    rows[-1] |= {'forward_peak': peak_bytes(forwards[op], self.device)}
                    rows[-1] |= {'training_peak': peak_bytes(trainings[op], self.device)}
        return rows

    def benchmark(self, suite: str, dtype: str, channels_last: bool, seconds: float) -> list[Result]:
        """As many cases of a suite as the time allows, in turns from its groups."""
        settings = Settings(self.device.type, DTYPES[dtype], channels_last, rounds=2, seconds=0.02)
        cases = make_cases((suite,), self.device.type, self.quick)
        groups = [list(group) for _, group in itertools.groupby(cases, lambda case: case.group)]
        order = [case for turn in itertools.zip_longest(*groups) for case in turn if case is not None]
        deadline, results = time.monotonic() + (5 if self.quick else seconds), []
        for case in order:
            if time.monotonic() > deadline:
                self.left_out.append(f'benchmark: {case.title}, {dtype}')
            else:
                results += measure_case(case, settings)
        names = [group[0].group for group in groups]
        return sorted(results, key=lambda result: names.index(result.group))

    def _types(self) -> Iterator[tuple[str, str]]:
        return itertools.product(list(DTYPES)[:1] if self.quick else DTYPES, FORMATS)

    def _draw(self, shape: Sequence[int], dtype: str, layout: str) -> Tensor:
        drawn = torch.randn(tuple(shape), generator=torch.Generator().manual_seed(0))
        return drawn.to(self.device, DTYPES[dtype]).contiguous(memory_format=FORMATS[layout])

    def _timing(self) -> dict[str, Any]:
        return {'rounds': 1, 'seconds': 0.01} if self.quick else {'rounds': 3, 'seconds': 0.05}

    def _seconds(self, run: Callable[[], object]) -> float:
        start = time.perf_counter()
        run()
        if self.device.type == 'cuda':
            torch.cuda.synchronize()
        return time.perf_counter() - start

    def _free_bytes(self) -> int:
        return torch.cuda.mem_get_info()[0] if self.device.type == 'cuda' else 2**30


def _run(function: Callable[[Tensor], Tensor], map: Tensor, backend: str) -> tuple[Tensor, Tensor]:
    """Values and gradient."""
    leaf = map.detach().requires_grad_()
    with use_backend(backend):
        output = function(leaf)
        cotangent = torch.linspace(-1, 1, output[:1].numel(), device=map.device).view(output[:1].shape)
        (gradient,) = torch.autograd.grad(output, leaf, cotangent.to(output.dtype).expand(output.shape))
    return output.detach(), gradient


def _forward(function: Callable[[Tensor], Tensor], map: Tensor) -> None:
    with torch.no_grad():
        function(map)


def _roundings(actual: Tensor, wanted: Tensor) -> float:
    error = (actual.double() - wanted).abs().max() / wanted.abs().max().clamp_min(1)
    return error.nan_to_num(nan=float('inf')).item() / torch.finfo(actual.dtype).eps


def to_markdown(report: dict[str, Any], tables: dict[str, str]) -> str:
    """Write the report for people."""
    lines = ['# GPU check', '', *(f'- {name}: {text}' for name, text in report['environment'].items()), '']
    lines += [f'Tests: exit status {report["tests"]["status"]}.', '', '```', report['tests']['output'].strip(), '```']
    for part in ('first_use', 'parity', 'sizes', 'bandwidth'):
        if rows := report[part]:
            cells = [[f'{cell:.3g}' if isinstance(cell, float) else str(cell) for cell in row.values()] for row in rows]
            lines += ['', f'## {part}', '', markdown_table(list(rows[0]), cells)]
    for title, table in tables.items():
        lines += ['', f'## {title}', '', table]
    lines += ['', '## Left out', '', *(f'- {what}' for what in report['left_out'] or ['nothing'])]
    return '\n'.join([*lines, '', f'{report["seconds"]:.0f} s in all.', ''])


def main() -> None:
    """Run all parts, write both files, and exit with status 1 if a kernel is wrong."""
    parser = make_parser(__doc__.splitlines()[0])
    parser.add_argument('folder', nargs='?', type=Path, default=Path('work_dirs'), help='where the files are written')
    parser.add_argument('--device', choices=('cuda', 'cpu'), default='cuda', help='cpu: a dry run in the interpreter')
    add_quick(parser, 'small shapes')
    args = parser.parse_args()
    if args.device == 'cuda' and not torch.cuda.is_available():
        parser.error('--device cuda: torch finds no CUDA device')
    check, start = Check(args.device, args.quick), time.monotonic()
    report: dict[str, Any] = {'environment': describe()}
    for part in ('tests', 'first_use', 'parity', 'sizes', 'bandwidth'):
        print(f'{part} …', flush=True)
        report[part] = getattr(check, part)()
    tables, report['benchmark'] = {}, []
    for suite, dtype, channels_last, seconds in BENCHMARKS:
        title = f'{suite}, {dtype}{", channels last" if channels_last else ""}'
        print(f'{title} …', flush=True)
        if results := check.benchmark(suite, dtype, channels_last, seconds):
            of_groups = [list(group) for _, group in itertools.groupby(results, lambda result: result.group)]
            tables[title] = '\n\n'.join([*map(format_group, of_groups), format_means(results)])
            report['benchmark'] += [as_record(result) for result in results]
    report |= {'left_out': check.left_out, 'seconds': time.monotonic() - start}
    for suffix, text in (('json', json.dumps(report, indent=2)), ('md', to_markdown(report, tables))):
        with replacing(args.folder / f'gpu_check.{suffix}') as partial_file:
            partial_file.write_text(text + '\n', encoding='utf-8')
    print(f'{args.folder / "gpu_check.md"}: written, {report["seconds"]:.0f} s')
    wrong = [row for part in ('first_use', 'parity', 'sizes') for row in report[part] if not row['holds']]
    if wrong or report['tests']['status']:
        sys.exit(f'gpu_check: {len(wrong)} comparisons failed, tests ended with {report["tests"]["status"]}')


if __name__ == '__main__':
    os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # the profiler would greet at every measurement
    main()
