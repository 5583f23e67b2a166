_base_ = './dsrl-dootmaan_r101-d16_1xb4-744k_cityscapes-1024x1024.py'
model = dict(
    backbone=dict(
        type='Antialiased',
        base='ResNet',
        pool='lpf3',
        # Published: a 2x2 max pool, and a filter at stride 1 where the last stage does not stride.
        convert=dict(dilated='blur', maxpool='published'),
        # made by antialias weights convert
        init_cfg=dict(checkpoint='data/weights/resnet101_lpf3.pth'),
    ),
)
