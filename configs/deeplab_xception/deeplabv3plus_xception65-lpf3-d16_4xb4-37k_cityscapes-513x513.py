_base_ = './deeplabv3plus_xception65-d16_4xb4-37k_cityscapes-513x513.py'
model = dict(backbone=dict(type='Antialiased', base='AlignedXception', pool='lpf3'))
