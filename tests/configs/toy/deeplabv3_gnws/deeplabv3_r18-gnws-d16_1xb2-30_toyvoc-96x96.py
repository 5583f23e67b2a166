_base_ = './deeplabv3_r18-d16_1xb2-30_toyvoc-96x96.py'
model = dict(
    backbone=dict(
        norm_cfg=dict(_delete_=True, type='GN', num_groups=32),
        conv_cfg=dict(type='ConvWS'),
    ),
    decode_head=dict(norm_cfg=dict(_delete_=True, type='GN', num_groups=32), conv_cfg=dict(type='ConvWS')),
)
