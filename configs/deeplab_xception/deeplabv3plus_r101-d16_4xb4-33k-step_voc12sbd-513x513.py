_base_ = [
    '../_base_/models/deeplab_xception.py',
    '../_base_/datasets/voc12aug-sbd-513x513.py',
    '../_base_/schedules/33k-xception-step.py',
    '../_base_/default_runtime.py',
]
model = dict(data_preprocessor=dict(size=(513, 513)))
randomness = dict(seed=1)
