# The pipeline of voc12aug-log-513x513 on ToyScapes in VOC's layout.
_base_ = './toyvoc-96x96.py'
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='RandomFlip', prob=0.5),
    dict(
        type='LogRandomResize',
        scale=(192, 192),
        ratio_range=(0.5, 2.0),
        keep_ratio=True,
        backend='pillow',
        interpolation='lanczos',
    ),
    dict(type='RandomCrop', crop_size=(96, 96)),
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
