_base_ = './resnet18-lpf4_1xb8-30_toyphotos-64x64.py'
model = dict(
    backbone=dict(
        # Their weights were trained with a 2x2 max pool.
        convert=dict(maxpool='published'),
        # made by antialias weights convert
        init_cfg=dict(type='Pretrained', checkpoint='data/weights/resnet18_lpf4.pth'),
    ),
)
