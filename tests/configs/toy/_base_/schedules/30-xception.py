_base_ = './30.py'
optim_wrapper = dict(
    optimizer=dict(lr=0.007),
    paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=10))),
)
