# The published table says output stride 16; the code makes it 8 whenever the backbone is DRN.
_base_ = './deeplab_xception.py'
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    backbone=dict(
        _delete_=True,
        type='DRN',
        depth=54,
        norm_cfg=norm_cfg,
        init_cfg=dict(type='Pretrained', checkpoint='http://dl.yf.io/drn/drn_d_54-0e0534ff.pth'),
    ),
    decode_head=dict(in_channels=512, dilations=(1, 12, 24, 36)),
)
