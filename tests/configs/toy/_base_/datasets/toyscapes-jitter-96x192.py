# The pipeline of cityscapes-jitter-768x768 on ToyScapes.
_base_ = '../../../../../configs/_base_/datasets/toyscapes-96x192.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(96, 192)),
    dict(type='TorchvisionColorJitter', brightness=0.5, contrast=0.5, saturation=0.5),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
