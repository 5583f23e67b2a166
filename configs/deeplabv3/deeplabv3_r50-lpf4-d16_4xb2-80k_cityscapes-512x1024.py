_base_ = './deeplabv3_r50-d16_4xb2-80k_cityscapes-512x1024.py'
model = dict(backbone=dict(type='Antialiased', base='ResNetV1c', pool='lpf4'))
