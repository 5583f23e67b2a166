_base_ = './deeplabv3plus_mobilenetv2-d16_4xb4-296k_coco-513x513.py'
model = dict(backbone=dict(type='Antialiased', base='DilatedMobileNetV2', pool='lpf3'))
