_base_ = './faster-rcnn_r101-caffe_fpn_1x_coco.py'
# Nobody publishes antialiased weights of this style: the filters start from nothing on detectron2's weights.
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='ddac3'))
# So their norms have statistics to learn, unlike those of the backbone, which `norm_eval` holds.
custom_hooks = [dict(type='FilterNormHook')]
