"""Compile every Triton kernel for GPUs that need not be there, as its launch asks for, and print a table as JSON.

Run as a script: kernels that were defined for Triton's interpreter cannot be compiled.
"""

import json
import re
import sys

import torch
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from antialias_plugins.functional.blur_pool import binomial_filter
from antialias_plugins.kernels import MaxWindow
from antialias_plugins.kernels.adaptive_blur_pool import FilterPlan
from antialias_plugins.kernels.padding import Padding
from antialias_plugins.kernels.triton import adaptive_blur_pool, blur_pool, max_blur_pool

TYPES = {torch.float16: '*fp16', torch.bfloat16: '*bf16', torch.float32: '*fp32', torch.float64: '*fp64'}


def compile_launch(kernel, arguments, constants, capability):
    """Compile as a launch does: ones are constants, and multiples of 16 and aligned pointers are known to be."""
    names = dict(zip(kernel.arg_names, arguments, strict=False))
    ones = {name: 1 for name, value in names.items() if isinstance(value, int) and value == 1}
    constants = {**constants, **ones}
    signature, attributes = {}, {}
    for index, name in enumerate(kernel.arg_names):
        value = names.get(name)
        if name in constants:
            signature[name] = 'constexpr'
            continue
        signature[name] = TYPES[value.dtype] if isinstance(value, torch.Tensor) else 'i32'
        if isinstance(value, torch.Tensor) or value % 16 == 0:
            attributes[(index,)] = [['tt.divisibility', 16]]
    source = ASTSource(kernel, signature, constants, attributes)
    return triton.compile(source, target=GPUTarget('cuda', capability, 32))


def record_compilations(capability):
    """Let every launch be a compilation, and return the list that its outcome goes to."""
    compiled = []

    def launch(kernel, grid):
        def run(*arguments, **constants):
            program = compile_launch(kernel, arguments, constants, capability)
            loads = re.findall(r'ld\.global\S*', program.asm['ptx'])
            compiled.append({'kernel': kernel.__name__, 'loads': loads, 'bytes': len(program.asm['cubin'])})

        return run

    triton.JITFunction.__getitem__ = launch
    return compiled


def main():
    capability, dtype, layout = int(sys.argv[1]), getattr(torch, sys.argv[2]), getattr(torch, sys.argv[3])
    compiled = record_compilations(capability)

    def draw(*shape):
        return torch.empty(shape, dtype=dtype).to(memory_format=layout).requires_grad_()

    filt, window, map = binomial_filter(4), MaxWindow((2, 2), (0, 0), (1, 1)), draw(2, 64, 57, 57)
    padded, plan = draw(2, 64, 58, 58), FilterPlan(3, (2, 2), 4, 'group')
    for output in (
        blur_pool.blur_pool2d(map, filt, (2, 2), 'reflect'),
        max_blur_pool.MaxBlurPool.apply(map, window, filt, (2, 2), 'reflect'),
        adaptive_blur_pool.AdaptiveBlurPool.apply(padded, draw(2, 36, 28, 28), plan, padded, Padding(1, 'zeros')),
    ):
        output.backward(torch.empty_like(output))
    print(json.dumps(compiled))


if __name__ == '__main__':
    main()
