"""A training whose losses do not depend on how a batch is divided, in float64.

The backbone's batch norms, those of predicted filters among them, keep the statistics that they have; the head has
group norm and no dropout; every pixel is labelled, so the mean over a batch is the mean of the means over its equal
parts.
"""

import torch
from mmengine.logging import MMLogger
from mmengine.model import BaseDataPreprocessor
from mmengine.optim import OptimWrapper
from mmengine.registry import DATASETS, MODELS
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from mmseg.utils import register_all_modules
from torch import nn
from torch.utils.data import Dataset

import antialias_plugins  # noqa: F401  registers its types

register_all_modules()
MMLogger.get_current_instance().setLevel('ERROR')

CLASSES = 4
ITERATIONS, BATCH = 4, 4
SIZE = (33, 48)
POOLS = (None, 'lpf1', 'lpf3', 'ddac3')


@MODELS.register_module()
class Stack(BaseDataPreprocessor):
    """Stacks images of a batch, with values from -1 to 1, in the type of the network's weights."""

    def __init__(self, dtype: torch.dtype = torch.float64):
        super().__init__()
        self.dtype = dtype

    def forward(self, data, training=False):
        return {**data, 'inputs': torch.stack(data['inputs']).to(self.dtype) / 127.5 - 1}


@DATASETS.register_module()
class Noise(Dataset):
    """Images of noise, with labels that depend on their brightness."""

    @property
    def metainfo(self):
        return {'classes': tuple('abcd'), 'palette': [[0, 0, 0]] * CLASSES}

    def __len__(self):
        return ITERATIONS * BATCH

    def __getitem__(self, index):
        image = torch.randint(256, (3, *SIZE), generator=torch.Generator().manual_seed(index), dtype=torch.uint8)
        label = image.float().mean(0, keepdim=True).mul(CLASSES / 256).long()
        return {'inputs': image, 'data_samples': SegDataSample(gt_sem_seg=PixelData(data=label))}


def config(pool, **backbone):
    """Config of the segmentor, whose ResNet-18 is antialiased unless `pool` is None."""
    kind = {'type': 'mmseg.ResNetV1c'}
    if pool is not None:
        kind = {'type': 'Antialiased', 'base': 'mmseg.ResNetV1c', 'pool': pool}
    backbone = {'depth': 18, 'base_channels': 8, 'stem_channels': 8, **backbone}
    head = {'in_channels': 64, 'channels': 8, 'num_convs': 1, 'dropout_ratio': 0, 'num_classes': CLASSES}
    return {
        'type': 'mmseg.EncoderDecoder',
        '_scope_': 'mmseg',
        'data_preprocessor': {'type': 'Stack'},
        'backbone': {**kind, **backbone, 'norm_cfg': {'type': 'BN'}},
        'decode_head': {'type': 'mmseg.FCNHead', **head, 'norm_cfg': {'type': 'GN', 'num_groups': 2}},
        'test_cfg': {'mode': 'whole'},
    }


def build(pool, **backbone):
    """The segmentor with the same weights whatever `pool` is, except those that only a filter has."""
    model = MODELS.build(config(pool, **backbone)).double()
    model.init_weights()  # before a runner does
    for name, parameter in sorted(model.named_parameters()):
        generator = torch.Generator().manual_seed(sum(name.encode()))
        if parameter.ndim > 1:
            nn.init.kaiming_normal_(parameter, generator=generator)
        elif name.endswith('bias'):
            nn.init.zeros_(parameter)
    model.backbone.norm_eval = True  # not in the config: the conversion would warn of it
    return model.train()


def batches(parts=1, part=0, size=BATCH):
    """The batches of the training, or of each an equal part."""
    images = Noise()
    for start in range(0, len(images), size):
        samples = [images[index] for index in range(start + part, start + size, parts)]
        yield {key: [sample[key] for sample in samples] for key in samples[0]}


def train(model, data, wrapper=OptimWrapper, **options):
    """Train as mmengine does, and return the losses."""
    data = list(data)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=5e-4)
    optim_wrapper = wrapper(optimizer, **options)
    optim_wrapper.initialize_count_status(model, 0, len(data))
    return [model.train_step(batch, optim_wrapper)['loss'].item() for batch in data]
