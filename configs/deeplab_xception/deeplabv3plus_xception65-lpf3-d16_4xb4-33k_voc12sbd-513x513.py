_base_ = './deeplabv3plus_xception65-d16_4xb4-33k_voc12sbd-513x513.py'
model = dict(backbone=dict(type='Antialiased', base='AlignedXception', pool='lpf3'))
