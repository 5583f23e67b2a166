_base_ = './deeplabv3plus_r101-d16_2xb8-30k_voc12aug-513x513.py'
model = dict(
    backbone=dict(
        type='Antialiased',
        base='ResNet',
        # The published weights need one softmax over all groups; the paper describes one for each, the default.
        pool=dict(type='AdaptiveBlurPool2d', filt_size=3, groups=8, softmax='joint'),
        # Published: a 2x2 max pool, and a filter at stride 1 where the last stage does not stride.
        convert=dict(dilated='blur', maxpool='published'),
        # made by antialias weights convert
        init_cfg=dict(checkpoint='data/weights/resnet101_ddac3.pth'),
    ),
)
