_base_ = './deeplabv3_r101-mg124-d16_4xb5-72k_cityscapes-769x769.py'
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='lpf3'))
