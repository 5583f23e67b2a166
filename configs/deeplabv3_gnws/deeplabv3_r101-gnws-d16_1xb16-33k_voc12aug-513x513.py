_base_ = './deeplabv3_r101-d16_1xb16-33k_voc12aug-513x513.py'
model = dict(
    backbone=dict(
        norm_cfg=dict(_delete_=True, type='GN', num_groups=32),
        conv_cfg=dict(type='ConvWS'),
        # R-101-GN-WS.pth.tar, made by antialias weights convert --backbone
        init_cfg=dict(checkpoint='data/weights/resnet101_gn_ws.pth'),
    ),
    decode_head=dict(norm_cfg=dict(_delete_=True, type='GN', num_groups=32), conv_cfg=dict(type='ConvWS')),
)
