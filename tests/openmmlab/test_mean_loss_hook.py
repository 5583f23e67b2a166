import torch
import torch.distributed

from antialias_plugins.openmmlab.training_hooks import MeanLossHook


def test_one_process_has_the_mean_already():
    outputs = {'loss': torch.tensor(2.0)}
    MeanLossHook().after_train_iter(None, 0, outputs=outputs)
    assert outputs == {'loss': torch.tensor(2.0)}


def test_graphs_of_the_losses_are_let_go(tmp_path):
    torch.distributed.init_process_group('gloo', f'file://{tmp_path}/store', rank=0, world_size=1)
    outputs = {'loss': torch.tensor(2.0, requires_grad=True)}
    try:
        MeanLossHook().after_train_iter(None, 0, outputs=outputs)
    finally:
        torch.distributed.destroy_process_group()
    assert outputs['loss'] == 2 and not outputs['loss'].requires_grad
