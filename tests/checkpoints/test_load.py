from functools import partial

import pytest
import timm
import torch
import torchvision
from safetensors.torch import load_file
from torch import nn

from antialias_plugins import AntialiasWarning
from antialias_plugins.checkpoints import (
    CheckpointError,
    convert_state_dict,
    copy_weights,
    load_checkpoint,
    published_arguments,
    read_checkpoint,
)
from antialias_plugins.checkpoints.load import export_checkpoint
from tests.checkpoints.networks import (
    CLASSES,
    HOSTS,
    published,
    published_adaptive,
    randomise,
    save,
    timm_network,
    torchvision_network,
)

PAIRS = [('resnet18', 'torchvision'), ('mobilenet_v2', 'timm'), ('densenet121', 'torchvision')]


@torch.no_grad()
def assert_same_logits(model, reference):
    x = torch.rand(1, 3, 96, 112, dtype=torch.float64)
    torch.testing.assert_close(model(x), reference(x), rtol=1e-10, atol=1e-12)


def snapshot(model):
    return {key: value.clone() for key, value in model.state_dict().items()}


def assert_untouched(model, before):
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def edited(model, path, edit):
    """Save the state dict of `model` after `edit` changed it."""
    state_dict = dict(model.state_dict())
    edit(state_dict)
    torch.save(state_dict, path)
    return path


@pytest.mark.parametrize(('name', 'host'), PAIRS)
def test_published_file_gives_the_published_logits(name, host, tmp_path):
    reference, model = published(name), HOSTS[host](name)
    save(reference, tmp_path / 'net.pth')
    report = load_checkpoint(model, tmp_path / 'net.pth')
    assert_same_logits(model, reference)
    filters = {key for key in reference.state_dict() if key.endswith('filt')}
    assert {place.name for place in report.dropped} == filters
    assert set(report.loaded) == set(model.state_dict())
    assert report.layout == 'antialiased-cnns'


@torch.no_grad()
def test_convolutions_of_timms_vgg_take_linear_layers():
    with torch.device('meta'):  # both initialise a hundred million weights
        source, model = torchvision.models.vgg11(num_classes=CLASSES), timm.create_model('vgg11', num_classes=CLASSES)
    for network in (source, model):
        network.to_empty(device='cpu')
    for parameter in source.parameters():
        parameter.uniform_(-0.02, 0.03)
    copy_weights(source, model)
    x = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(model.eval()(x), source.eval()(x))
    before = snapshot(source)
    copy_weights(model, source)
    assert_untouched(source, before)


@pytest.mark.parametrize(
    ('name', 'filt_size', 'host'),
    [('resnet18', 5, 'torchvision'), ('resnet18', 3, 'timm')],
)
def test_adaptive_file_gives_the_published_logits(name, filt_size, host, tmp_path):
    reference, model = published_adaptive(name, filt_size), HOSTS[host](name, f'ddac{filt_size}', 'joint')
    save(reference, tmp_path / 'net.pth.tar')
    report = load_checkpoint(model, tmp_path / 'net.pth.tar')
    assert_same_logits(model, reference)
    assert (report.layout, report.dropped, report.kept) == ('DDAC', (), ())


@pytest.mark.parametrize(('name', 'pool'), [('resnet18', 'ddac3'), ('mobilenet_v2', 'ddac3')])
def test_weights_move_between_torchvision_and_timm(name, pool):
    there = torchvision_network(name, pool)
    across = timm_network(name, pool)
    back = torchvision_network(name, pool)
    copy_weights(there, across)
    assert_same_logits(across, there)
    copy_weights(across, back)
    assert_untouched(back, there.state_dict())


@pytest.mark.parametrize(('host', 'pool'), [('timm', 'lpf4'), ('torchvision', 'ddac3')])
def test_weights_move_between_a_baseline_and_its_antialiased_form(host, pool):
    baseline, antialiased, back = (
        HOSTS[host]('resnet18', None),
        HOSTS[host]('resnet18', pool),
        HOSTS[host]('resnet18', None),
    )
    own = {key for key in antialiased.state_dict() if '.aa.' in key}
    before = snapshot(antialiased)
    there = copy_weights(baseline, antialiased)
    assert {place.name for place in there.kept} == own
    assert all(torch.equal(antialiased.state_dict()[key], before[key]) for key in own)
    assert all(torch.equal(antialiased.state_dict()[key], value) for key, value in baseline.state_dict().items())
    assert {place.name for place in copy_weights(antialiased, back).dropped} == own
    assert_untouched(back, baseline.state_dict())


def test_weights_move_into_the_published_package():
    source, target = published('resnet18'), published('resnet18')
    ours = torchvision_network('resnet18')
    copy_weights(source, ours)
    report = copy_weights(ours, target)
    assert_untouched(target, source.state_dict())
    assert {place.reason for place in report.kept} == {'fixed filter, not in the file'}


def test_old_torchvision_densenets_load(tmp_path):
    """Files of torchvision < 0.2.1 number the two layers of a dense layer: ``denselayer1.norm.1.weight``."""
    reference, model = torchvision_network('densenet121', None), torchvision_network('densenet121')
    old = {}
    for key, value in reference.state_dict().items():
        for layer in ('norm1', 'norm2', 'conv1', 'conv2'):
            key = key.replace(f'{layer}.', f'{layer[:-1]}.{layer[-1]}.') if '.denselayer' in key else key
        old[key] = value
    assert 'features.denseblock1.denselayer1.norm.1.weight' in old
    torch.save(old, tmp_path / 'densenet.pth')
    load_checkpoint(model, tmp_path / 'densenet.pth')
    assert_untouched(model, reference.state_dict())


def test_counters_of_batches_that_old_files_lack_become_zero(tmp_path):
    source, model = torchvision_network('resnet18'), torchvision_network('resnet18')
    model.bn1.num_batches_tracked.fill_(5)
    counters = [key for key in source.state_dict() if key.endswith('num_batches_tracked')]
    path = edited(source, tmp_path / 'net.pth', lambda state_dict: [state_dict.pop(key) for key in counters])
    report = load_checkpoint(model, path)
    assert report.zeroed == tuple(counters)
    assert model.bn1.num_batches_tracked == 0
    assert 'set to 0' in str(report)


def test_a_network_without_a_head_drops_that_of_the_file(tmp_path):
    source, model = torchvision_network('resnet18'), timm_network('resnet18', num_classes=0)
    torch.save(source.state_dict(), tmp_path / 'net.pth')
    report = load_checkpoint(model, tmp_path / 'net.pth')
    assert [(place.name, place.reason) for place in report.dropped] == [
        ('fc.weight', 'the network has no such head'),
        ('fc.bias', 'the network has no such head'),
    ]


def test_skip_leaves_a_head_for_other_classes_as_it_is(tmp_path):
    source, model = torchvision_network('resnet18'), torchvision_network('resnet18', num_classes=CLASSES + 1)
    torch.save(source.state_dict(), tmp_path / 'net.pth')
    before = snapshot(model)
    with pytest.raises(CheckpointError, match=r"fc.weight \(7, 512\) in the file, \(8, 512\) here.*skip=\['fc\.\*'\]"):
        load_checkpoint(model, tmp_path / 'net.pth')
    assert_untouched(model, before)
    report = load_checkpoint(model, tmp_path / 'net.pth', skip=['fc.*'])
    assert [place.name for place in report.kept] == ['fc.weight', 'fc.bias']
    assert torch.equal(model.fc.weight, before['fc.weight'])
    assert torch.equal(model.conv1.weight, source.conv1.weight)


@pytest.mark.parametrize(
    ('edit', 'message'),
    [
        (lambda state_dict: state_dict.update(extra=torch.zeros(1)), r'left over in the file: extra$'),
        (lambda state_dict: state_dict.pop('layer4.1.bn2.bias'), r'missing in the file: layer4\.1\.bn2\.bias$'),
        (lambda state_dict: state_dict.pop('layer3.0.conv2.aa.bn.bias'), r'missing in the file: layer3.*aa\.bn\.bias$'),
        (
            lambda state_dict: state_dict.update({'bn1.bias': torch.zeros(3)}),
            r'bn1.bias \(3,\) in the file, \(64,\) here',
        ),
    ],
    ids=['left over', 'missing', 'filter missing', 'shape'],
)
def test_misfits_are_named_and_nothing_is_loaded(edit, message, tmp_path):
    source, model = torchvision_network('resnet18', 'ddac3'), torchvision_network('resnet18', 'ddac3')
    before = snapshot(model)
    path = edited(source, tmp_path / 'net.pth', edit)
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(model, path)
    assert_untouched(model, before)


def test_adaptive_filters_that_the_network_lacks_are_left_over_in_a_file(tmp_path):
    save(published_adaptive('resnet18'), tmp_path / 'net.pth')
    with pytest.raises(CheckpointError, match=r'layout: DDAC.*\n.*left over in the file: maxpool\.1\.conv\.weight'):
        load_checkpoint(torchvision_network('resnet18', None), tmp_path / 'net.pth')


def test_adaptive_filters_of_another_size_are_named(tmp_path):
    save(published_adaptive('resnet18', 5), tmp_path / 'net.pth')
    with pytest.raises(CheckpointError, match=r'maxpool\.aa\.conv\.weight \(200, 64, 5, 5\) in .*filt_size and groups'):
        load_checkpoint(torchvision_network('resnet18', 'ddac3'), tmp_path / 'net.pth')


@pytest.mark.parametrize(('skip', 'got'), [(['fc.*', 'head.*'], r"'head\.\*' matches none"), ('fc.*', 'string')])
def test_skip_must_name_keys_of_the_network(skip, got):
    model = torchvision_network('resnet18')
    with pytest.raises(ValueError, match=f'skip must .*{got}'):
        copy_weights(torchvision_network('resnet18'), model, skip=skip)


@pytest.mark.parametrize(
    ('model', 'difference'),
    [
        (lambda: torchvision_network('resnet18', 'lpf3'), 'trained with filters of 4 taps; the network filters with 3'),
        (lambda: torchvision_network('resnet18', None), 'trained with filters of 4 taps; the network has no filters'),
        (lambda: torchvision_network('resnet18', None), '2x2 pixels without padding'),
    ],
    ids=['width', 'no filters', 'max pool'],
)
def test_a_network_that_computes_something_else_warns(model, difference):
    with pytest.warns(AntialiasWarning) as record:
        report = copy_weights(published('resnet18'), model())
    assert difference in ' '.join(str(warning.message) for warning in record)
    assert difference in str(report)


def test_a_softmax_by_group_warns_where_the_weights_were_trained_jointly():
    with pytest.warns(AntialiasWarning, match="trained with softmax='joint'"):
        copy_weights(published_adaptive('resnet18'), torchvision_network('resnet18', 'ddac3'))


def test_modes_devices_and_parameters_stay():
    model = torchvision_network('resnet18').train().float()
    model.conv1.requires_grad_(False)
    parameters = list(model.parameters())
    copy_weights(torchvision_network('resnet18'), model)
    assert model.training
    assert not model.conv1.weight.requires_grad
    assert all(
        new is old and new.dtype == torch.float32 for new, old in zip(model.parameters(), parameters, strict=True)
    )


def test_any_network_takes_its_own_keys(tmp_path):
    source, model = (nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)) for _ in range(2))
    torch.save(source.state_dict(), tmp_path / 'net.pth')
    report = load_checkpoint(model, tmp_path / 'net.pth')
    assert_untouched(model, source.state_dict())
    assert report.renamed == ()


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp('published') / 'net.pth'
    save(published('resnet18'), path)
    return path


@pytest.mark.parametrize(
    ('name', 'read'),
    [('out.safetensors', load_file), ('out.pth', partial(torch.load, weights_only=True))],
    ids=['safetensors', 'pth'],
)
def test_target_is_a_plain_state_dict_of_the_network(name, read, source, tmp_path):
    model = timm_network('resnet18')
    report = export_checkpoint(model, source, tmp_path / 'new' / name)
    written = read(tmp_path / 'new' / name)
    assert written.keys() == model.state_dict().keys() == set(report.loaded)
    assert all(torch.equal(value, written[key].to(value.dtype)) for key, value in model.state_dict().items())
    assert [path.name for path in (tmp_path / 'new').iterdir()] == [name]


def test_meta_makes_a_checkpoint_of_mmengine(source, tmp_path):
    export_checkpoint(torchvision_network('resnet18'), source, tmp_path / 'out.pth', meta={'arch': 'resnet18_lpf4'})
    assert torch.load(tmp_path / 'out.pth', weights_only=True)['meta'] == {'arch': 'resnet18_lpf4'}
    assert 'layer1.0.conv1.weight' in read_checkpoint(tmp_path / 'out.pth')


def test_skipped_keys_are_not_written(source, tmp_path):
    model = torchvision_network('resnet18', num_classes=99)
    export_checkpoint(model, source, tmp_path / 'out.pth', skip=['fc.*', 'bn1.*'])
    skipped = {key for key in model.state_dict() if key.startswith(('fc.', 'bn1.'))}
    assert set(model.state_dict()) - set(read_checkpoint(tmp_path / 'out.pth')) == skipped


def test_an_existing_file_is_replaced_only_when_told_to(source, tmp_path):
    target = tmp_path / 'out.pth'
    target.write_bytes(b'mine')
    with pytest.raises(FileExistsError, match='exists'):
        export_checkpoint(torchvision_network('resnet18'), source, target)
    assert target.read_bytes() == b'mine'
    export_checkpoint(torchvision_network('resnet18'), source, target, overwrite=True)
    assert len(read_checkpoint(target)) == 122


def test_what_does_not_fit_is_not_written(source, tmp_path):
    with pytest.raises(CheckpointError):
        export_checkpoint(torchvision_network('resnet18', num_classes=99), source, tmp_path / 'out.pth')
    with pytest.raises(ValueError, match=r'target must end in \.pth'):
        export_checkpoint(torchvision_network('resnet18'), source, tmp_path / 'out.safetensors', meta={})
    assert list(tmp_path.iterdir()) == []


def tiny(dtype=torch.float32):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)).to(dtype)
    return randomise(model)


KINDS = {
    'int8': (lambda it: it.to(torch.int8), '0.weight int8 in the file, float32 here'),
    'int64': (lambda it: it.to(torch.int64), '0.weight int64 in the file'),
    'bool': (lambda it: it > 0, '0.weight bool in the file'),
    'complex64': (lambda it: it.to(torch.complex64), '0.weight complex64 in the file'),
    'too large': (lambda it: it.double() * 1e300, '0.weight float64 in the file, float32 here'),
}


@pytest.mark.parametrize('case', KINDS)
def test_values_of_another_kind_are_refused(case, tmp_path):
    change, message = KINDS[case]
    path = edited(
        tiny(), tmp_path / 'net.pth', lambda state_dict: state_dict.update({'0.weight': change(state_dict['0.weight'])})
    )
    model = tiny()
    before = snapshot(model)
    with pytest.raises(CheckpointError, match=f'other kinds of numbers: {message}'):
        load_checkpoint(model, path)
    assert_untouched(model, before)


COUNTERS = {
    'int32': (torch.tensor(7, dtype=torch.int32), True),
    'a whole float': (torch.tensor(7.0), True),
    'a fraction': (torch.tensor(7.5), False),
    'infinite': (torch.tensor(float('inf')), False),
    'a bit': (torch.tensor(True), False),
}


@pytest.mark.parametrize('case', COUNTERS)
def test_counters_are_read_from_whole_numbers(case, tmp_path):
    counter, fits = COUNTERS[case]
    path = edited(
        tiny(), tmp_path / 'net.pth', lambda state_dict: state_dict.update({'1.num_batches_tracked': counter})
    )
    model = tiny()
    if not fits:
        with pytest.raises(CheckpointError, match=r'other kinds of numbers: 1\.num_batches_tracked'):
            load_checkpoint(model, path)
        return
    load_checkpoint(model, path)
    assert model[1].num_batches_tracked == 7 and model[1].num_batches_tracked.dtype == torch.int64


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_precisions_may_differ(dtype, tmp_path):
    source, model = tiny(dtype), tiny()
    torch.save(source.state_dict(), tmp_path / 'net.pth')
    load_checkpoint(model, tmp_path / 'net.pth')
    assert_untouched(
        model, {key: value.to(tiny().state_dict()[key].dtype) for key, value in source.state_dict().items()}
    )


def test_values_that_are_not_finite_are_noted(tmp_path):
    path = edited(tiny(), tmp_path / 'net.pth', lambda state_dict: state_dict['0.bias'].fill_(float('nan')))
    with pytest.warns(AntialiasWarning, match=r'not finite: 0\.bias'):
        report = load_checkpoint(tiny(), path)
    assert 'note: the weights hold values that are not finite: 0.bias' in str(report)


def with_parameter(make):
    """A network whose last parameter is made anew."""
    model = tiny()
    model[1].bias = make(model[1].bias)
    return model


def under_inference(_):
    with torch.inference_mode():
        return nn.Parameter(torch.rand(4))


FIXED = {
    'meta': (lambda: tiny().to('meta'), r'0\.weight is on the meta device'),
    'one on meta': (lambda: with_parameter(lambda it: nn.Parameter(it.to('meta'))), r'1\.bias is on the meta device'),
    'expanded': (lambda: with_parameter(lambda _: nn.Parameter(torch.rand(1).expand(4))), r'1\.bias is expanded'),
    'inference': (lambda: with_parameter(under_inference), r'1\.bias was made under torch\.inference_mode'),
}


@pytest.mark.parametrize('case', FIXED)
def test_a_network_that_cannot_be_written_to_stays_as_it_was(case, tmp_path):
    make, message = FIXED[case]
    torch.save(tiny().state_dict(), tmp_path / 'net.pth')
    model = make()
    kept = {key: it for key, it in model.state_dict().items() if not it.is_meta}
    before = {key: it.clone() for key, it in kept.items()}
    for load in (lambda: load_checkpoint(model, tmp_path / 'net.pth'), lambda: copy_weights(tiny(), model)):
        with pytest.raises(CheckpointError, match=f'{message}.*; nothing was loaded'):
            load()
    assert all(torch.equal(it, before[key]) for key, it in kept.items())


def test_weights_of_the_meta_device_are_no_weights():
    model = tiny()
    before = snapshot(model)
    with pytest.raises(CheckpointError, match='is on the meta device in the source; nothing was loaded'):
        copy_weights(tiny().to('meta'), model)
    assert_untouched(model, before)


@pytest.mark.filterwarnings('ignore:.*quantize_per_tensor:UserWarning')
def test_quantised_weights_are_refused():
    quantised = torch.quantize_per_tensor(torch.rand(4, 3, 1, 1), 0.1, 0, torch.qint8)
    with pytest.raises(CheckpointError, match=r'other kinds of numbers: 0\.weight qint8 in the file, float32 here'):
        convert_state_dict(tiny().state_dict() | {'0.weight': quantised}, tiny())


@pytest.mark.parametrize('equal', [True, False])
def test_a_shared_parameter_needs_one_value(equal, tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    weights = {key: value.clone() + 1 for key, value in model.state_dict().items()}
    weights['1.weight'] += 0 if equal else 1
    torch.save(weights, tmp_path / 'net.pth')
    before = snapshot(model)
    if equal:
        load_checkpoint(model, tmp_path / 'net.pth')
        assert_untouched(model, weights)
        return
    with pytest.raises(CheckpointError, match=r'0\.weight and 1\.weight are one tensor of the network and differ'):
        load_checkpoint(model, tmp_path / 'net.pth')
    assert_untouched(model, before)


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda path: load_checkpoint('resnet18', path), 'model must be a torch.nn.Module, got str'),
        (lambda path: load_checkpoint(tiny(), None), 'path must be a path, got None'),
        (lambda path: load_checkpoint(tiny(), path, skip=3), 'skip must be a list of name patterns, got 3'),
        (lambda path: load_checkpoint(tiny(), path, skip=[3]), 'skip must be a list of name patterns, got'),
        (lambda path: load_checkpoint(tiny(), path, sha256=3), 'sha256 must be 1 to 64 hexadecimal digits, got 3'),
        (lambda path: copy_weights({}, tiny()), 'source must be a torch.nn.Module, got dict'),
        (lambda path: copy_weights(tiny(), tiny().state_dict()), 'target must be a torch.nn.Module, got'),
        (lambda path: convert_state_dict([1], tiny()), 'state_dict must be tensors by name, got list'),
        (lambda path: convert_state_dict({1: torch.ones(1)}, tiny()), 'state_dict must be tensors by name, got'),
        (lambda path: convert_state_dict({'a': 1}, tiny()), "state_dict must hold tensors, got int as 'a'"),
        (lambda path: convert_state_dict({}, None), 'model must be a torch.nn.Module, got NoneType'),
        (lambda path: export_checkpoint(tiny(), path, 3), 'target must be a path, got 3'),
        (lambda path: export_checkpoint(tiny(), path, 'a.pth', meta=[1]), r'meta must be a dict, got \[1\]'),
        (lambda path: published_arguments(3, path), 'arch must be the name of a network, got 3'),
    ],
)
def test_arguments_are_named(call, message, tmp_path):
    torch.save(tiny().state_dict(), tmp_path / 'net.pth')
    with pytest.raises(ValueError, match=message):
        call(tmp_path / 'net.pth')


@pytest.mark.parametrize('number', ['99999999999', '²0', '9' * 400, '0' * 5000, '-1', ''])
def test_names_with_odd_numbers_are_left_over(number):
    state_dict = {key: torch.ones(1) for key in ('features.0.filt', f'features.{number}.weight', 'fc.weight')}
    with pytest.raises(CheckpointError, match=r'left over in the file: features\.'):
        convert_state_dict(state_dict, tiny())


def test_a_filter_of_no_dimension_is_no_filter():
    model = torchvision.models.resnet18()
    assert convert_state_dict({**model.state_dict(), 'layer1.0.filt': torch.tensor(1.0)}, model)[1].notes == ()


def test_copies_of_another_type_differ():
    state_dict = {'features.0.weight': torch.ones(1), 'low_level_features.0.weight': torch.ones(1).int()}
    with pytest.raises(CheckpointError, match='are one tensor of the network and differ in the file'):
        convert_state_dict(state_dict, tiny())
