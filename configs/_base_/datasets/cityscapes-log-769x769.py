# The augmentation of chenxi116/DeepLabv3.pytorch: 2^U(-1, 1) times its size, by Pillow's antialiasing filter.
_base_ = './cityscapes-512x1024.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='LogRandomResize',
        scale=(2048, 1024),
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
        backend='pillow',
        interpolation='lanczos',
    ),
    dict(type='RandomCrop', crop_size=(769, 769)),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(dataset=dict(pipeline=train_pipeline))
