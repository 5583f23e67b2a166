_base_ = './deeplabv3plus_r50-d16_4xb2-80k_cityscapes-768x768.py'
# The filters of dilated stages stay, at stride 1, so that an antialiased ImageNet checkpoint fits. `maxpool` stays
# 'keep': the published 2x2 window is for the published weights, these start from torchvision's 3x3.
model = dict(
    backbone=dict(type='Antialiased', base='ResNetV1c', pool='ddac3', convert=dict(dilated='blur')),
)
