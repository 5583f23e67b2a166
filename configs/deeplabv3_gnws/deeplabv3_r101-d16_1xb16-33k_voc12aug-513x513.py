_base_ = [
    '../_base_/models/deeplabv3_gnws.py',
    '../_base_/datasets/voc12aug-log-513x513.py',
    '../_base_/schedules/33k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(513, 513), test_cfg=dict(size=(513, 513))),
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')),
)
# The number of GPUs is not published.
train_dataloader = dict(batch_size=16)
