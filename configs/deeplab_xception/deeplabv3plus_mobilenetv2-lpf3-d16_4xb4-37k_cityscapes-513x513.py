_base_ = './deeplabv3plus_mobilenetv2-d16_4xb4-37k_cityscapes-513x513.py'
model = dict(backbone=dict(type='Antialiased', base='DilatedMobileNetV2', pool='lpf3'))
