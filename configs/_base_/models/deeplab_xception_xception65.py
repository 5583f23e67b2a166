# The network of the paper, from timm, in place of the published one, which adds each block to its rectified input (a
# ReLU that works in place), has no ReLU between the two convolutions of a separable one in the exit flow, and starts
# from random weights: what it downloads it then looks up in an empty dict.
_base_ = './deeplab_xception.py'
norm_cfg = dict(type='SyncBN', requires_grad=True)
model = dict(
    # what timm's weights were trained with
    data_preprocessor=dict(mean=[127.5, 127.5, 127.5], std=[127.5, 127.5, 127.5]),
    backbone=dict(
        _delete_=True, type='AlignedXception', depth=65, output_stride=16, norm_cfg=norm_cfg, pretrained=True
    ),
    decode_head=dict(c1_in_channels=128),
)
