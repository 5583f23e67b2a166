_base_ = './mask-rcnn_r101_fpn_1x_coco.py'
# Published: all norms of the backbone, the filters' too, keep ImageNet's statistics, as mmdet's `norm_eval` has it.
model = dict(
    backbone=dict(
        type='Antialiased',
        base='ResNet',
        # The published weights need one softmax over all groups; the paper describes one for each, the default.
        pool=dict(type='AdaptiveBlurPool2d', filt_size=3, groups=8, softmax='joint'),
        convert=dict(maxpool='published'),
        # made by tools/model_converters/published2mm.py
        init_cfg=dict(checkpoint='data/weights/resnet101_ddac3.pth'),
    ),
)
# Published: the filter in the max pool is frozen with the stages around it, which `frozen_stages` leaves out.
optim_wrapper = dict(paramwise_cfg=dict(custom_keys={'backbone.maxpool': dict(lr_mult=0, decay_mult=0)}))
