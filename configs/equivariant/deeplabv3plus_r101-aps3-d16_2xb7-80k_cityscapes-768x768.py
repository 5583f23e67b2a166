_base_ = [
    '../_base_/models/deeplabv3plus_equivariant.py',
    '../_base_/datasets/cityscapes-jitter-768x768.py',
    '../_base_/schedules/80k-ddac.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(768, 768)),
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')),
)
train_dataloader = dict(batch_size=7)
test_cfg = dict(circular=True)
randomness = dict(seed=1)
