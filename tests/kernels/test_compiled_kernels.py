"""The Triton kernels as they are compiled for GPUs, which need not be there."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

if not find_spec('triton'):
    pytest.skip('Triton has no release for this platform', allow_module_level=True)
if int(version('triton').split('.')[0]) < 3 or int(version('triton').split('.')[1]) < 5:
    pytest.skip('older releases of Triton compile through another interface', allow_module_level=True)

KERNELS = {
    'blur_pool2d_fwd_kernel',
    'blur_pool2d_bwd_kernel',
    'max_blur_pool2d_fwd_kernel',
    'max_blur_pool2d_bwd_kernel',
    'adaptive_blur_pool2d_norm_kernel',
    'adaptive_blur_pool2d_fwd_kernel',
    'adaptive_blur_pool2d_bwd_input_kernel',
    'adaptive_blur_pool2d_bwd_logits_kernel',
}


def compile_for(cache, capability, dtype, layout):
    script = Path(__file__).with_name('compile_for_gpu.py')
    environment = {**os.environ, 'TRITON_CACHE_DIR': str(cache), 'TRITON_INTERPRET': '0'}
    command = [sys.executable, str(script), str(capability), dtype, layout]
    output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout
    return {launch['kernel']: launch for launch in json.loads(output.splitlines()[-1])}


@pytest.mark.parametrize(
    ('capability', 'dtype', 'layout'),
    [(80, 'float32', 'contiguous_format'), (90, 'bfloat16', 'channels_last')],
    ids=['sm_80', 'sm_90'],
)
def test_all_kernels_compile(tmp_path, capability, dtype, layout):
    compiled = compile_for(tmp_path, capability, dtype, layout)
    assert set(compiled) == KERNELS
    assert all(launch['bytes'] for launch in compiled.values())
    if layout == 'channels_last':
        # Equal loads are merged: K * K taps; maxima over 2 x 2 look at (K + 1) ** 2 values together, not at 4 K * K.
        assert len(compiled['blur_pool2d_fwd_kernel']['loads']) == 4**2
        assert len(compiled['max_blur_pool2d_fwd_kernel']['loads']) == 5**2
        # Of 2 K / S outputs along each axis a mirrored border leaves three that may look at a position.
        assert len(compiled['blur_pool2d_bwd_kernel']['loads']) == 3**2
        # Channels lie next to each other: eight at once, and one load of the logit for all of them.
        adaptive = compiled['adaptive_blur_pool2d_fwd_kernel']['loads']
        assert (len(adaptive), sum('.v' in load for load in adaptive)) == (1 + 2 * 3**2, 3**2)
        assert all('.v' in load for load in compiled['blur_pool2d_fwd_kernel']['loads'])
