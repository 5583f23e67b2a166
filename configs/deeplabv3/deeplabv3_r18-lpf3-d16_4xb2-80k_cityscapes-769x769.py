_base_ = './deeplabv3_r18-d16_4xb2-80k_cityscapes-769x769.py'
model = dict(backbone=dict(type='Antialiased', base='ResNetV1c', pool='lpf3'))
