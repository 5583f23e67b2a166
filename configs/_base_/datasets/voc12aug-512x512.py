# A crop whose sides are multiples of the output stride.
_base_ = './voc12aug-513x513.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomResize', scale=(500, 500), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='RandomCrop', crop_size=(512, 512)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
dataset_train = dict(pipeline=train_pipeline)
dataset_aug = dict(pipeline=train_pipeline)
train_dataloader = dict(
    dataset=dict(
        datasets=[
            {**_base_.dataset_train, 'pipeline': train_pipeline},
            {**_base_.dataset_aug, 'pipeline': train_pipeline},
        ]
    )
)
