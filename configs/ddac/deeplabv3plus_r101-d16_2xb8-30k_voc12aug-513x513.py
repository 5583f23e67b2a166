_base_ = [
    '../_base_/models/deeplabv3plus_ddac.py',
    '../_base_/datasets/voc12aug-513x513.py',
    '../_base_/schedules/30k-ddac.py',
    '../_base_/default_runtime.py',
]
model = dict(
    data_preprocessor=dict(size=(513, 513)),
    backbone=dict(init_cfg=dict(type='Pretrained', checkpoint='torchvision://resnet101')),
    decode_head=dict(num_classes=21),
)
train_dataloader = dict(batch_size=8)
randomness = dict(seed=1)
