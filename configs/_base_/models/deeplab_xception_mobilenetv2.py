_base_ = './deeplab_xception.py'
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    backbone=dict(
        _delete_=True,
        type='DilatedMobileNetV2',
        output_stride=16,
        padding='block',  # as the published weights need it, and not as MobileNetV2 has it
        norm_cfg=norm_cfg,
        # Published: weights of jeff95.me, which is gone.
        init_cfg=dict(type='Pretrained', checkpoint='mmcls://mobilenet_v2'),
    ),
    decode_head=dict(in_channels=320, c1_in_channels=24),
)
