"""Exporters of networks, each of which gives back what runs its record.

A *dynamic* record has to hold for other batches, heights and widths than those of its example.
"""

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from lab.parity import coreml

OPSET = 17
Runner = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Exporter:
    """One way to record a network.

    Attributes:
        name: what it is called in a table.
        record: called with a network in eval mode and an example batch of at least two images.
        is_dynamic: whether the record has to hold for other sizes.
    """

    name: str
    record: Callable[[nn.Module, Tensor], Runner]
    is_dynamic: bool


def _export_onnx(model: nn.Module, example: Tensor, is_dynamic: bool) -> Runner:
    return _run_onnx(_graph_of_trace(model, example, is_dynamic))


def _graph_of_trace(model: nn.Module, example: Tensor, is_dynamic: bool) -> bytes:
    """ONNX by the exporter of traces."""
    file = io.BytesIO()
    axes = {'dynamic_axes': {'image': {0: 'batch', 2: 'height', 3: 'width'}}} if is_dynamic else {}
    torch.onnx.export(model, (example,), file, dynamo=False, opset_version=OPSET, input_names=['image'], **axes)
    return file.getvalue()


def _export_onnx_dynamo(model: nn.Module, example: Tensor, is_dynamic: bool) -> Runner:
    """The exporter of `torch.export` graphs."""
    shapes = _dynamic_shapes(is_dynamic)
    program = torch.onnx.export(model, (example,), dynamo=True, dynamic_shapes=shapes, verbose=False)
    return _run_onnx(program.model_proto.SerializeToString())


def _run_onnx(graph: bytes) -> Runner:
    import onnxruntime

    session = onnxruntime.InferenceSession(graph, providers=['CPUExecutionProvider'])
    (input,) = session.get_inputs()
    return lambda image: torch.from_numpy(session.run(None, {input.name: image.numpy()})[0])


def _export(model: nn.Module, example: Tensor, is_dynamic: bool) -> Runner:
    return torch.export.export(model, (example,), dynamic_shapes=_dynamic_shapes(is_dynamic), strict=False).module()


def _dynamic_shapes(is_dynamic: bool) -> tuple[dict[int, object]] | None:
    if not is_dynamic:
        return None
    # before torch 2.6 there is no hint that forbids to specialise
    hint = getattr(torch.export.Dim, 'DYNAMIC', None) or torch.export.Dim.AUTO
    return ({0: hint, 2: hint, 3: hint},)


def _trace(model: nn.Module, example: Tensor) -> Runner:
    return torch.jit.trace(model, example)


def _openvino(model: nn.Module, example: Tensor) -> Runner:
    """OpenVINO's own converter of traces."""
    sys.modules.setdefault('openvino_telemetry', None)  # it would send statistics
    import openvino

    return _run_openvino(openvino.convert_model(model, example_input=example, input=[(-1, example.shape[1], -1, -1)]))


def _openvino_of_onnx(model: nn.Module, example: Tensor) -> Runner:
    import openvino

    graph = _graph_of_trace(model, example, is_dynamic=True)
    return _run_openvino(openvino.Core().read_model(io.BytesIO(graph)))


def _run_openvino(program: object) -> Runner:
    import openvino

    compiled = openvino.Core().compile_model(program, 'CPU', {'INFERENCE_PRECISION_HINT': 'f32'})
    return lambda image: torch.from_numpy(compiled(image.numpy())[0])


def _compile(model: nn.Module, example: Tensor) -> Runner:
    torch.compiler.reset()
    return torch.compile(model, fullgraph=True, dynamic=False, backend='aot_eager')


def _channels_last(model: nn.Module, example: Tensor) -> Runner:
    return lambda image: model(image.contiguous(memory_format=torch.channels_last))


def _both(name: str, record: Callable[[nn.Module, Tensor, bool], Runner]) -> list[Exporter]:
    """A exporter for one size, and one for all."""
    return [
        Exporter(f'{name}, one size', partial(record, is_dynamic=False), False),
        Exporter(name, partial(record, is_dynamic=True), True),
    ]


EXPORTERS = (
    *_both('ONNX', _export_onnx),
    *_both('ONNX dynamo', _export_onnx_dynamo),
    *_both('torch.export', _export),
    Exporter('trace', _trace, True),
    Exporter('OpenVINO', _openvino, True),
    Exporter('OpenVINO of ONNX', _openvino_of_onnx, True),
    *_both('Core ML', coreml.convert),
    Exporter('compile, one size', _compile, False),  # for all sizes it takes minutes
    Exporter('channels_last', _channels_last, True),
)
