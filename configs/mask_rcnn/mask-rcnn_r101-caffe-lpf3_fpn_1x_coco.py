_base_ = './mask-rcnn_r101-caffe_fpn_1x_coco.py'
# Nobody publishes antialiased weights of this style; detectron2's have the same keys.
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='lpf3'))
