_base_ = './resnet50_8xb32-90e_imagenet-224x224.py'
# Published: a 2x2 max pool without padding, where torchvision and mmpretrain have 3x3.
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='lpf4', convert=dict(maxpool='published')))
