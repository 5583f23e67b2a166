import io
import warnings

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from antialias_plugins import AdaptiveBlurPool2d, BlurPool2d, MaxBlurPool2d, convert_antialias
from antialias_plugins.deployment import explicit_padding
from antialias_plugins.deployment.padding import pad_by_slices

NUMPY_MODES = {'reflect': 'reflect', 'replicate': 'edge', 'circular': 'wrap'}
PADS = [(0, 0, 0, 0), (1, 2, 0, 3), (3, 0, 1, 1), (2, 2), (0, 1)]


def block():
    """A strided convolution and its skip, with everything circular."""
    path = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(3, 2, 1), nn.Conv2d(8, 8, 3, 1, 1))
    example = torch.rand(1, 8, 16, 16)
    return convert_antialias(path, 'lps3', stem=True, padding='circular', example_input=example)


LAYERS = {
    'blur-reflect': lambda: BlurPool2d(8),
    'blur-replicate': lambda: BlurPool2d(8, 5, padding_mode='replicate'),
    'blur-circular': lambda: BlurPool2d(8, 7, padding_mode='circular'),
    'max-blur': lambda: MaxBlurPool2d(3, 2, 1),
    'adaptive': lambda: AdaptiveBlurPool2d(8),
    'circular-convolution': lambda: nn.Conv2d(8, 4, 3, padding=1, padding_mode='circular'),
    'polyphase-network': block,
}


def graph_of(layer, input, dynamic=False):
    file = io.BytesIO()
    axes = {'dynamic_axes': {'input': {0: 'n', 2: 'h', 3: 'w'}}} if dynamic else {}
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # the exporter's own advice
        torch.onnx.export(layer, (input,), file, dynamo=False, opset_version=17, input_names=['input'], **axes)
    return onnx.load_from_string(file.getvalue())


def pad_modes(graph):
    pads = (node for node in graph.graph.node if node.op_type == 'Pad')
    return {attribute.s.decode() for node in pads for attribute in node.attribute if attribute.name == 'mode'}


def run(graph, input):
    session = onnxruntime.InferenceSession(graph.SerializeToString(), providers=['CPUExecutionProvider'])
    return torch.from_numpy(session.run(None, {'input': input.numpy()})[0])


@pytest.mark.parametrize('mode', NUMPY_MODES)
@pytest.mark.parametrize('pad', PADS, ids=str)
def test_slices_match_numpy(pad, mode):
    input = torch.rand(2, 3, 5, 4)
    pairs = [(0, 0)] * (4 - len(pad) // 2) + [pad[i : i + 2] for i in range(len(pad) - 2, -1, -2)]
    expected = np.pad(input.numpy(), pairs, NUMPY_MODES[mode])
    assert np.array_equal(pad_by_slices(input, pad, mode).numpy(), expected)


@pytest.mark.parametrize('mode', NUMPY_MODES)
def test_gradients_match_torch(mode):
    input = torch.rand(2, 3, 5, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    grads = [
        torch.autograd.grad((pad(input, (2, 2, 1, 2), mode) * weight).sum(), input)[0] for pad in (pad_by_slices, F.pad)
    ]
    torch.testing.assert_close(*grads)


@pytest.mark.parametrize(
    ('pad', 'mode'), [((3, 0), 'reflect'), ((0, 4), 'circular'), ((-1, 0), 'replicate')], ids=['mirror', 'turn', 'crop']
)
def test_too_small_a_map_is_an_error(pad, mode):
    with pytest.raises(ValueError, match='pad must be from 0 to what a side of 3 has'):
        pad_by_slices(torch.rand(1, 1, 3, 3), pad, mode)


@pytest.mark.parametrize('name', LAYERS)
def test_onnx_graph_has_no_border_but_zeros(name):
    """The same numbers as without, on every size, from a graph without mirrored, repeated or circular padding."""
    layer = LAYERS[name]().eval()
    with explicit_padding():
        graph = graph_of(layer, torch.rand(2, 8, 17, 16), dynamic=True)
    assert pad_modes(graph) <= {'constant'}
    for sides in ((17, 16), (20, 23)):
        input = torch.rand(3, 8, *sides)
        torch.testing.assert_close(run(graph, input), layer(input), rtol=1e-5, atol=1e-5)


def test_without_it_the_graph_mirrors():
    assert pad_modes(graph_of(BlurPool2d(8), torch.rand(2, 8, 17, 16))) == {'reflect'}


def test_replicate_changes_borders_only():
    layer, input = BlurPool2d(8), torch.rand(2, 8, 16, 16)
    with explicit_padding('replicate'):
        graph = graph_of(layer, input)
    assert pad_modes(graph) == {'edge'}
    actual = run(graph, input)
    torch.testing.assert_close(actual, BlurPool2d(8, padding_mode='replicate')(input))
    torch.testing.assert_close(actual[..., 1:-1, 1:-1], layer(input)[..., 1:-1, 1:-1])
    assert not torch.allclose(actual, layer(input))


@pytest.mark.filterwarnings('ignore')  # the exporter's own
def test_exporter_of_torch_export_graphs():
    layer, input = BlurPool2d(8), torch.rand(2, 8, 9, 8)
    with explicit_padding():
        program = torch.onnx.export(torch.export.export(layer, (input,), strict=False), (input,), dynamo=True)
    assert not {node.op_type for node in program.model_proto.graph.node} & {'Pad'}
    session = onnxruntime.InferenceSession(program.model_proto.SerializeToString(), providers=['CPUExecutionProvider'])
    (actual,) = session.run(None, {session.get_inputs()[0].name: input.numpy()})
    torch.testing.assert_close(torch.from_numpy(actual), layer(input))


@pytest.mark.parametrize('record', ['trace', 'export', 'run'])
def test_other_ways_to_record(record):
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1, padding_mode='circular'), BlurPool2d(8)).eval()
    input = torch.rand(2, 3, 9, 8)
    with explicit_padding():
        if record == 'trace':
            recorded = torch.jit.trace(model, input)
            assert 'pad' not in str(recorded.inlined_graph).replace('padding', '')
        elif record == 'export':
            exported = torch.export.export(model, (input,), strict=False)
            assert 'pad' not in exported.graph_module.code.replace('padding', '')
            recorded = exported.module()
        else:
            recorded = model
        inside = recorded(input)
    assert torch.equal(inside, recorded(input))
    torch.testing.assert_close(inside, model(input))


def test_unknown_border():
    with pytest.raises(ValueError, match="border must be one of 'slices', 'replicate', got 'mirror'"):
        explicit_padding('mirror')
