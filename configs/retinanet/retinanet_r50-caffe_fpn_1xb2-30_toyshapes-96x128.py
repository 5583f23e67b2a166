_base_ = './retinanet_r18_fpn_1xb2-30_toyshapes-96x128.py'
# A quarter as wide, which makes the maps those of a ResNet-18.
model = dict(backbone=dict(depth=50, style='caffe', stem_channels=16, base_channels=16))
