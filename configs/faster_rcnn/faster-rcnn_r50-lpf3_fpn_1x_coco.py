_base_ = './faster-rcnn_r50_fpn_1x_coco.py'
model = dict(
    backbone=dict(
        type='Antialiased',
        base='ResNet',
        pool='lpf3',
        convert=dict(maxpool='published'),
        # made by antialias weights convert
        init_cfg=dict(checkpoint='data/weights/resnet50_lpf3.pth'),
    ),
)
