_base_ = './resnet50-lpf4_8xb32-90e_imagenet-224x224.py'
# The published fine-tuning of a baseline: the last 60 of its 90 epochs. The file is torchvision's, by mmpretrain's
# tools/model_converters/torchvision_to_mmpretrain.py resnet50-0676ba61.pth data/weights/resnet50.pth resnet
load_from = 'data/weights/resnet50.pth'
optim_wrapper = dict(optimizer=dict(lr=0.01))
param_scheduler = [dict(type='MultiStepLR', milestones=[30], gamma=0.1, by_epoch=True)]
train_cfg = dict(max_epochs=60)
