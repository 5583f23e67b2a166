"""Every argument of the public functions, layers and conversions, given what it does not take: the error names it."""

import math

import numpy as np
import pytest
import torch
from torch import nn

import antialias_plugins as aap
from antialias_plugins import functional, layers

MAP = torch.rand(2, 8, 8, 8)
COMPONENTS = torch.rand(2, 4, 8, 4, 4)
TEXT = ['4', '', b'4', [], {}, object, np.float32(1)]
NUMBERS = [0, -1, 1.5, True, math.nan, torch.tensor(1.5), *TEXT]
COUNT = [*NUMBERS, math.inf, (2, 2)]
PAIR = [*NUMBERS, math.inf, None, (2,), (2, 2, 2), (2, 0), (1.5, 2), (2, '2'), [True, 2]]
WORD = [3, None, True, *TEXT, 'Zeros', ['zeros'], math.nan]
FLAG = [0, 1, 0.0, None, 'false', *TEXT, torch.tensor(True)]
POSITIVE = [0, -1, True, math.nan, math.inf, None, torch.tensor(1.0), *TEXT]
MODULE = [None, 3, nn.ReLU, *TEXT, MAP, [nn.ReLU()]]
DEVICE = ['gpu', '', 1.5, [], object]
DTYPE = ['float32', torch.int64, torch.complex64, 3, float, [], torch.bool]
LINK = [None, 3, nn.ReLU(), *TEXT]
ADAPTIVE = [3, True, 'ddac', {'groups': 3}, {'groups': '2'}, {'softmax': 'all'}, {'taps': 3}, {'groups': 0}, [8]]
NOT_REAL = [None, 3, *TEXT, np.zeros((2, 8, 8, 8), np.float32), MAP.long(), MAP.bool(), MAP.to(torch.complex64)]
BAD_MAP = [*NOT_REAL, MAP[0, 0], MAP[None], MAP[:, :0], MAP[:, :, :0], MAP[..., :0], torch.tensor(1.0)]
BAD_COMPONENTS = [*NOT_REAL, COMPONENTS[0, 0], COMPONENTS[None], COMPONENTS[:, :0], COMPONENTS[..., :0]]
PHASES = [None, 3, [0, 0], torch.tensor([0, 4]), torch.tensor([0, -1]), torch.tensor([0]), torch.tensor([True, False])]
PHASES += [torch.rand(2, 3), torch.rand(2, 4, 7), torch.tensor([1j, 0]), torch.tensor(0), torch.zeros(2, 1).long(), 'x']
SIZE = [(9, 8), (8,), 8.0, '88', (8, 0), 5, [8, '8'], True]
FILT = [3, 'binomial', torch.ones(3, 3), torch.ones(4), torch.ones(4, 4).long(), [[1.0] * 4] * 4, torch.ones(1, 4, 4)]
LOGITS = [*NOT_REAL, torch.rand(2, 72, 8, 8), torch.rand(2, 71, 4, 4), torch.rand(72, 4, 4), torch.rand(2, 32, 4, 4)]
PATTERNS = [3, None, 'conv', [3], [None], math.nan, True]
SEQUENCE = [None, 3, '01', [0, '1'], [0, math.nan], (0, math.inf), [True, 2], [None, 1], {0: 1}, object]
BACKEND = ['cuda', 3, True, [], b'auto']

BLUR = {'filt_size': COUNT, 'stride': PAIR, 'padding_mode': WORD}
PLACED = {'device': DEVICE, 'dtype': DTYPE}
WINDOW = {'kernel_size': PAIR, 'padding': [-1, 1.5, '1', None, (1,), (0, -1), 2, True], 'ceil_mode': FLAG}
POLYPHASE = {**BLUR, **PLACED, 'adaptive': ADAPTIVE}
CONVERSION = {
    'model': MODULE,
    'pool': [None, 3, True, 'lpf', 'lpf0', 'blur', '', {}, {'type': 'Blur'}, {'type': None}, ['lpf3'], math.nan],
    'stem': [None, 3, 'lpf', 1, 0, {}, [True]],
    'maxpool': WORD,
    'avgpool': WORD,
    'dilated': WORD,
    'padding': WORD,
    'skip': PATTERNS,
    'extra': PATTERNS,
    'min_channels': [-1, 1.5, '8', None, True],
    'example_input': [0, (-1, 8), 'image', [MAP], True, np.zeros((1, 3, 8, 8))],
}
NETWORK = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(), nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
# of each: arguments that it takes, and what each of them must not be
CALLS = {
    functional.blur_pool2d: ({'input': MAP}, {'input': BAD_MAP, **BLUR, 'filt': FILT, 'backend': BACKEND}),
    functional.max_blur_pool2d: (
        {'input': MAP},
        {'input': BAD_MAP, **BLUR, **WINDOW, 'filt': FILT, 'backend': BACKEND},
    ),
    functional.adaptive_blur_pool2d: (
        {'input': MAP, 'logits': torch.rand(2, 72, 4, 4)},
        {
            'input': BAD_MAP,
            'logits': LOGITS,
            'stride': PAIR,
            'groups': [*COUNT, 3],
            'padding_mode': WORD,
            'softmax': WORD,
            'backend': BACKEND,
        },
    ),
    functional.low_cut_pool2d: ({'input': MAP}, {'input': BAD_MAP, 'stride': PAIR, 'window': WORD}),
    functional.polyphase_components: ({'input': MAP}, {'input': BAD_MAP, 'stride': PAIR}),
    functional.polyphase_norms: ({'components': COMPONENTS}, {'components': BAD_COMPONENTS, 'norm': WORD}),
    functional.select_component: (
        {'components': COMPONENTS, 'selection': torch.tensor([0, 3])},
        {'components': BAD_COMPONENTS, 'selection': PHASES},
    ),
    functional.adaptive_polyphase_pool2d: ({'input': MAP}, {'input': BAD_MAP, 'stride': PAIR, 'norm': WORD}),
    functional.polyphase_unpool2d: (
        {'input': COMPONENTS[:, 0], 'phase': torch.tensor([0, 3])},
        {'input': BAD_MAP, 'phase': PHASES, 'stride': PAIR, 'size': SIZE},
    ),
    functional.mixing_loss: ({'weights': torch.rand(2, 4)}, {'weights': [*NOT_REAL[:-1], MAP, torch.rand(3)]}),
    functional.undo_loss: (
        {'features': MAP, 'input': MAP},
        {
            'features': [*NOT_REAL, MAP[:, :4]],
            'input': BAD_MAP,
            'max_shift': [-1, 1.5, '1', None, True, math.nan],
            'border': WORD,
        },
    ),
    layers.BlurPool2d: ({}, {'channels': COUNT, **BLUR, **PLACED}),
    layers.MaxBlurPool2d: ({}, {**WINDOW, **BLUR, **PLACED}),
    layers.AdaptiveBlurPool2d: (
        {'channels': 8},
        {'channels': [*COUNT, 9], **BLUR, 'groups': [*COUNT, 3], 'softmax': WORD, **PLACED},
    ),
    layers.FrequencyLowCutPool2d: ({}, {'channels': COUNT, 'stride': PAIR, 'window': WORD, **PLACED}),
    layers.AdaptivePolyphasePool2d: ({'channels': 8, 'filt_size': 3}, {'channels': COUNT, 'norm': WORD, **POLYPHASE}),
    layers.LearnablePolyphasePool2d: (
        {'channels': 8, 'filt_size': 3},
        {
            'channels': [*COUNT, None],
            'hid_channels': [0, -1, -0.5, 0.0, True, math.nan, math.inf, *TEXT],
            'temperature': POSITIVE,
            'sampling': WORD,
            **POLYPHASE,
        },
    ),
    layers.TranslationInvariantPolyphasePool2d: (
        {'channels': 8, 'filt_size': 3},
        {
            'channels': [*COUNT, None],
            'kernel_size': [*COUNT, 2],
            'max_shift': [-1, 1.5, '1', None],
            'border': WORD,
            **POLYPHASE,
        },
    ),
    layers.PolyphaseUnpool2d: ({'link': layers.PhaseLink()}, {'link': LINK, **BLUR, **PLACED}),
    layers.AdaptivePolyphasePool2d().lead: ({'link': layers.PhaseLink()}, {'link': LINK}),
    layers.AdaptivePolyphasePool2d().follow: ({'link': layers.PhaseLink()}, {'link': LINK}),
    layers.PhaseLink().publish: ({'selection': torch.tensor([0])}, {'selection': [None, 3, [0], 'x']}),
    layers.set_temperature: ({'model': nn.ReLU(), 'temperature': 1.0}, {'model': MODULE, 'temperature': POSITIVE}),
    layers.scheduled_temperature: (
        {'step': 1, 'milestones': (0, 4), 'temperatures': (1.0, 0.5)},
        {
            'step': [None, '1', math.nan, math.inf, True, [1], object],
            'milestones': [*SEQUENCE, (), (4, 0), (0, 0)],
            'temperatures': [*SEQUENCE, (1.0,), (1.0, 0.0), (1.0, -1.0)],
            'shape': WORD,
        },
    ),
    layers.mixing_losses: ({'model': nn.ReLU()}, {'model': MODULE}),
    layers.resolve_pool: ({'pool': 'lpf3'}, {'pool': CONVERSION['pool']}),
    aap.plan_antialias: ({'model': NETWORK}, CONVERSION),
    aap.convert_antialias: (
        {'model': NETWORK},
        {**CONVERSION, 'recompute': FLAG, 'on_unsupported': WORD},
    ),
    aap.revert_antialias: ({'model': NETWORK}, {'model': MODULE}),
    aap.conversion.is_antialiased: ({'model': NETWORK}, {'model': MODULE}),
}


def name_of(function):
    owner = getattr(function, '__self__', None)
    return f'{type(owner).__name__}.{function.__name__}' if owner is not None else function.__name__


@pytest.mark.parametrize(
    ('function', 'argument'),
    [
        pytest.param(function, argument, id=f'{name_of(function)}-{argument}')
        for function, (_, arguments) in CALLS.items()
        for argument in arguments
    ],
)
def test_the_error_names_the_argument_and_what_it_must_be(function, argument):
    taken, wrong = CALLS[function][0], CALLS[function][1][argument]
    for value in wrong:
        with pytest.raises((ValueError, TypeError), match=rf'{argument}\b.* must|must.*\b{argument}\b') as raised:
            function(**{**taken, argument: value})
        assert 'got' in str(raised.value), (value, raised.value)


def test_there_are_hundreds():
    assert sum(len(values) for _, arguments in CALLS.values() for values in arguments.values()) >= 600
