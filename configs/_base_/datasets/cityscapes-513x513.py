# The augmentation of jfzhang95/pytorch-deeplab-xception with its default sizes, as for VOC.
_base_ = './cityscapes-512x1024.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    # The shorter side becomes 256 to 1026 pixels (--base-size 513).
    dict(type='RandomResize', scale=(5130, 513), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(513, 513)),
    dict(type='mmpretrain.GaussianBlur', magnitude_range=(0, 1), magnitude_std='inf', prob=0.5),
    dict(type='PackSegInputs'),
]
# Whole images at full size. Published: reduced to 513 rows, then the central square, labels resized alike.
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='PackSegInputs'),
]
train_dataloader = dict(batch_size=4, num_workers=4, dataset=dict(pipeline=train_pipeline))
val_dataloader = dict(dataset=dict(pipeline=test_pipeline))
test_dataloader = val_dataloader
