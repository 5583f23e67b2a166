_base_ = './deeplabv3_r101-gnws-mg124-d16_4xb5-72k_cityscapes-769x769.py'
# The filters of the dilated stage stay, at stride 1, as in DDAC's own segmentation.
model = dict(backbone=dict(type='Antialiased', base='ResNet', pool='ddac3', convert=dict(dilated='blur')))
