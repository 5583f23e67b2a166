_base_ = './deeplabv3plus_r101-d16_4xb4-37k_cityscapes-513x513.py'
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='lpf3'))
