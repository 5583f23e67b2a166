# The augmentation of VainF/DeepLabV3Plus-Pytorch: no other scale, and torchvision's jitter.
_base_ = './cityscapes-512x1024.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomCrop', crop_size=(768, 768)),
    dict(type='TorchvisionColorJitter', brightness=0.5, contrast=0.5, saturation=0.5),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
