_base_ = [
    '../_base_/models/deeplabv3_gnws.py',
    '../_base_/datasets/cityscapes-log-769x769.py',
    '../_base_/schedules/72k.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(769, 769), test_cfg=dict(size=(1025, 2049))),
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')),
    decode_head=dict(num_classes=19),
)
# 20 in all; the number of GPUs is not published.
train_dataloader = dict(batch_size=5)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10.0))))
