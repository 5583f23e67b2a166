_base_ = './deeplabv3plus_mobilenetv2-d16_4xb4-33k_voc12sbd-513x513.py'
model = dict(backbone=dict(type='Antialiased', base='DilatedMobileNetV2', pool='ddac3'))
