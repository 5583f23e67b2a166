_base_ = './deeplabv3plus_r101-d16_4xb4-33k_voc12sbd-513x513.py'
# --freeze-bn, for fine-tuning (load_from). Published: the weights of all norms leave the optimizer, but the method that
# would stop their statistics is hidden by an attribute of its name. The head's norms, which start anew, stay free here.
model = dict(backbone=dict(norm_cfg=dict(_delete_=True, type='BN', requires_grad=False), norm_eval=True))
