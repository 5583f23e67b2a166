_base_ = [
    '../_base_/models/resnet50.py',
    '../_base_/datasets/imagenet-224x224.py',
    '../_base_/schedules/90e-ddac.py',
    '../_base_/classification_runtime.py',
]
model = dict(
    backbone=dict(
        type='Antialiased',
        base='ResNet',
        depth=101,
        # The published code takes one softmax over all groups; the paper describes one for each, the default.
        pool=dict(type='AdaptiveBlurPool2d', filt_size=3, groups=8, softmax='joint'),
        # Published: a 2x2 max pool without padding, where torchvision and mmpretrain have 3x3.
        convert=dict(maxpool='published'),
    ),
)
train_dataloader = dict(batch_size=16)
