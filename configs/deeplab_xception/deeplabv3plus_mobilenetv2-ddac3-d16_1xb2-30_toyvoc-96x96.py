_base_ = './deeplabv3plus_mobilenetv2-d16_1xb2-30_toyvoc-96x96.py'
model = dict(backbone=dict(type='Antialiased', base='DilatedMobileNetV2', pool='ddac3'))
