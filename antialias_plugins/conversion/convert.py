"""Plan, carry out and undo the antialiasing of a network."""

import logging
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn

from antialias_plugins.conversion import attach
from antialias_plugins.conversion import operators as ops
from antialias_plugins.conversion.circular import wrap_around
from antialias_plugins.conversion.examples import Example, run, shapes_in
from antialias_plugins.conversion.phases import share_phases
from antialias_plugins.conversion.plan import AntialiasPlan, AntialiasWarning, Options, Site, UnsupportedModelError
from antialias_plugins.conversion.planner import Planner
from antialias_plugins.conversion.rebuilding import guard_rebuilding
from antialias_plugins.conversion.segments import Segment, find_segment
from antialias_plugins.conversion.trace import Graph, check_network, trace
from antialias_plugins.conversion.values import prove
from antialias_plugins.functional.arguments import check_module
from antialias_plugins.layers.blur_pool import BlurPool2d
from antialias_plugins.layers.pool import Pool, PoolFactory, resolve_pool

logger = logging.getLogger(__name__)

_DENSE_AVERAGES = {'replace': 'cropped', 'keep': 'mean', 'published': 'whole'}


def plan_antialias(
    model: nn.Module,
    pool: Pool = 'lpf4',
    *,
    example_input: Example | None = None,
    stem: bool | Pool = False,
    maxpool: str = 'keep',
    avgpool: str = 'replace',
    dilated: str = 'skip',
    padding: str = 'keep',
    skip: Iterable[str] | Callable[[str, nn.Module], bool] = (),
    extra: Iterable[str] = (),
    min_channels: int = 0,
) -> AntialiasPlan:
    """List every place where ``model`` downsamples and what :func:`convert_antialias` would do there; change nothing.

    The arguments are those of :func:`convert_antialias`.

    Returns:
        The plan: filtered, left and unsupported places, each with its reason. It prints as a table.

    Raises:
        UnsupportedModelError: ``model`` is converted already, or does not run on the example input.
        ValueError: an option is not one of its values, or a pattern matches nothing.

    Example:
        >>> import torchvision
        >>> print(plan_antialias(torchvision.models.resnet18(), 'lpf4', skip=['layer[34]*']))
        ResNet with lpf4: 3 filtered, 5 left as they are, 0 unsupported
        place                  kind      stride  channels  MMAC  MB     filter
        maxpool                max pool  2       64        1.0   -0.52  in maxpool
        layer2.0.conv1         conv      2       128       57.1  0.92   before layer2.0.conv2
        layer2.0.downsample.0  conv      2       64        0.3   0.07   before layer2.0.downsample.0
        costs: 58.5 MMAC, 0.46 MB kept for backward, 0.0 kparam, on shape [(1, 3, 128, 128)]
        left as it is: conv1: the first downsampling convolution (stem=True filters it too)
        left as it is: layer3.0.conv1: skip asks for it
        left as it is: layer3.0.downsample.0: skip asks for it
        left as it is: layer4.0.conv1: skip asks for it
        left as it is: layer4.0.downsample.0: skip asks for it
    """
    options = Options(example_input, stem, maxpool, avgpool, dilated, padding, skip, extra, min_channels=min_channels)
    return _trace_and_plan(model, resolve_pool(pool), options)[1]


def convert_antialias(
    model: nn.Module,
    pool: Pool = 'lpf4',
    *,
    example_input: Example | None = None,
    stem: bool | Pool = False,
    maxpool: str = 'keep',
    avgpool: str = 'replace',
    dilated: str = 'skip',
    padding: str = 'keep',
    skip: Iterable[str] | Callable[[str, nn.Module], bool] = (),
    extra: Iterable[str] = (),
    recompute: bool = False,
    on_unsupported: str = 'raise',
    min_channels: int = 0,
) -> nn.Module:
    """Antialias a network in place: low-pass filter wherever it downsamples.

    A strided convolution is made dense, and the filter subsamples right after its activation, as in `Making
    Convolutional Networks Shift-Invariant Again <https://arxiv.org/abs/1904.11486>`_ (Zhang, 2019); a linear 1×1
    convolution is filtered before; max pools become max, then filter; average pools become the filter. The places are
    found on one traced forward pass, so any network will do whose places have a module to carry the filter. No
    parameter, buffer or module changes its name: the network's own checkpoints load as before. Only filters
    that learn (``'ddac…'``, ``'lps…'``, ``'tips'``) add keys, all below ``….aa.``.

    Convert before wrapping (DDP, EMA, compile), and before building an optimizer if the filter has parameters.

    Args:
        model: any network; changed in place.
        pool: the filter: a shorthand, a config such as ``dict(type='AdaptiveBlurPool2d', filt_size=3, groups=4)``, or a
            callable that builds a layer from ``(channels, (stride_h, stride_w))``. The shorthands, with
            K taps:

            - ``'lpf<K>'``, `BlurPool2d`: binomial;
            - ``'ddac<K>'``, `AdaptiveBlurPool2d`: predicted, K×K, for each position and each of 8 groups of channels;
            - ``'flc'``, `FrequencyLowCutPool2d`: ideal low-pass;
            - ``'aps<K>'``, `AdaptivePolyphasePool2d`: polyphase component of largest norm, behind a binomial filter;
            - ``'lps<K>'``, `LearnablePolyphasePool2d`: the component that a small network chooses, behind one;
            - ``'tips'`` or ``'tips<K>'``, `TranslationInvariantPolyphasePool2d`: a learned mixture of the components.
        example_input: what the network runs on: a tensor; a tuple of arguments; a dict of keyword arguments; a function
            that runs it and returns its output; or the size of an image batch, as a side, (H, W) or (N, C, H, W).
            Default: a side of 128 pixels, or of 224, 256 or 384 if it does not run on that. C is ``model.in_chans`` or
            what its first convolution reads.
        stem: filter the first downsampling convolution too, whose map is the largest: as all other places (True), or
            by a filter of its own, written like `pool`. The published LPS networks choose the phase of an unfiltered
            map there: ``pool='lps3', stem='lps1'``.
        maxpool: ``'keep'`` the network's own max windows, or take the ``'published'`` 2×2 without padding in place
            of 3×3 with padding 1, which the published antialiased ResNets were trained with.
        avgpool: ``'replace'`` average pools by the filter, at their own output size, or ``'keep'`` the average, dense,
            before it, or filter the whole map, which rounds an odd size up, as in the ``'published'`` DenseNets.
        dilated: in stages of a ResNet that dilate in place of a stride, ``'skip'`` the filter (Zhang's package) or
            ``'blur'`` at stride 1 where the strided network would (DDAC's segmentation).
        padding: ``'keep'`` the network's borders, make those of every convolution, pool and filter ``'circular'``,
            which exact equivariance to circular shifts takes, or those of ``'pools'`` and filters alone, which the
            published LPS networks with zero padding were trained with.
        skip: places to leave as they are: patterns of names (``'layer1.*'``; a pooling function has the name of the
            module that calls it before its own, ``'Mixed_6a.max_pool2d'``), or a predicate of name and module.
        extra: patterns of names of convolutions and pools to treat as downsampling although they are not: they get
            the filter, at their own stride.
        recompute: compute the maps between a convolution that was made dense and its filter once more in backward, in
            place of keeping them; the same to the last bit. The forward hooks of what lies between run twice.
        on_unsupported: ``'raise'`` if a place cannot be converted, or ``'warn'`` and leave that place as it is.
        min_channels: leave places whose map has fewer channels as they are: the first ones, where the map is largest.
            :func:`plan_antialias` shows what each place costs.

    Returns:
        The same object.

    Raises:
        UnsupportedModelError: a place cannot be converted, nothing downsamples, the network is converted already, or it
            does not run on the example input. The network is then as it was.
        ValueError: ``pool`` or an option is not one of its values, or a pattern matches nothing.

    Example:
        >>> import torchvision
        >>> model = convert_antialias(torchvision.models.resnet18(), 'lpf4')
        >>> model.maxpool
        AntialiasedMaxPool2d(
          kernel_size=3, stride=2, padding=1, dilation=1, ceil_mode=False
          (aa): BlurPool2d(64, filt_size=4, stride=(2, 2), padding_mode='reflect')
        )
    """
    words = maxpool, avgpool, dilated, padding
    options = Options(example_input, stem, *words, skip, extra, recompute, on_unsupported, min_channels)
    convert(model, resolve_pool(pool), options)
    return model


def convert(model: nn.Module, pool: PoolFactory, options: Options) -> AntialiasPlan:
    """Do what `convert_antialias` promises, in one traced forward pass and one to check; return what was done.

    Warnings point at the caller of the function that calls this one.
    """
    graph, plan = _trace_and_plan(model, pool, options)
    reasons = [str(place) for place in plan.unsupported]
    if reasons and (options.on_unsupported == 'raise' or not plan.sites):
        raise UnsupportedModelError(f'{plan.model} cannot be antialiased and was left as it is:', reasons)
    if not plan.sites:
        left = [str(place) for place in plan.skipped]
        raise UnsupportedModelError(f'{plan.model}: nothing that could be filtered downsamples', left)
    for reason in reasons:
        warnings.warn(f'{plan.model}: not antialiased: {reason}', AntialiasWarning, stacklevel=3)
    sites = [site for site in plan.sites if not site.takes_statistics]
    prove(model, graph, sites, lambda: _subsampling(model, sites))
    layers = [_build(model, site, pool, options) for site in plan.sites]
    share_phases(graph, plan, layers)
    _warn_of_frozen_filters(model, plan, layers)
    try:
        for site in plan.sites:
            guard_rebuilding(model, site)
            _take_stride(model, site)
        if options.padding != 'keep':
            wrap_around(graph, {site.carrier for site in plan.sites}, with_convs=options.padding == 'circular')
        for site, layer in zip(plan.sites, layers, strict=True):
            _put(model, site, layer, options)
        if options.recompute:
            _recompute(model, graph, plan)
        keeps_sizes = 'published' not in (options.maxpool, options.avgpool) and not graph.chosen  # of odd maps
        if keeps_sizes and (options.padding != 'keep' or any(site.takes_statistics for site in plan.sites)):
            shapes = shapes_in(run(model, graph.call))
            if shapes != shapes_in(graph.outputs):
                change = f'from {shapes_in(graph.outputs)} to {shapes}'
                raise UnsupportedModelError(f'{plan.model}: antialiasing would change its output shapes {change}')
    except BaseException:
        attach.detach_all(model)
        raise
    logger.debug('%s', plan)
    return plan


def revert_antialias(model: nn.Module) -> nn.Module:
    """Take every filter out again, in place: the network it was, with the weights it has now.

    Args:
        model: a network that was converted as a whole, or any part of one, or a copy.

    Returns:
        The same object.

    Raises:
        UnsupportedModelError: there is no filter to take out, or the network was fused, or hooked, since.
        TypeError: `model` is no module.
    """
    check_module('model', model)
    attach.check_unchanged(model)
    if not attach.detach_all(model):
        raise UnsupportedModelError(f'{type(model).__name__} is not antialiased: there is nothing to revert')
    return model


def is_antialiased(model: nn.Module) -> bool:
    """Whether :func:`convert_antialias` has converted the network or a part of it."""
    check_module('model', model)
    return any(True for _ in attach.changed_modules(model))


def _trace_and_plan(model: nn.Module, pool: PoolFactory, options: Options) -> tuple[Graph, AntialiasPlan]:
    if is_antialiased(model):
        raise UnsupportedModelError(
            f'{type(model).__name__} is antialiased already: revert_antialias(model) takes its filters out'
        )
    check_network(model, options.example_input)
    graph = trace(model, options.example_input)
    return graph, Planner(model, graph, pool, options).make_plan()


def _build(model: nn.Module, site: Site, pool: PoolFactory, options: Options) -> nn.Module:
    """The filter of one site, where the module that it hangs on lives, and in its mode."""
    anchors = (*model.get_submodule(site.roots[0]).parameters(), *model.parameters())
    tensor = next((p for p in anchors if p.is_floating_point()), torch.empty(0, device='cpu'))
    factory = options.pool_at(site.is_stem, pool)
    layer = factory(site.channels, site.stride).to(device=tensor.device, dtype=tensor.dtype)
    if options.padding != 'keep' and hasattr(layer, 'padding_mode'):
        layer.padding_mode = 'circular'
    return layer.train(model.get_submodule(site.carrier).training)


@contextmanager
def _subsampling(model: nn.Module, sites: Sequence[Site]) -> Iterator[None]:
    """Plain subsampling in place of the filters of some sites, inside."""
    try:
        for site in sites:
            _take_stride(model, site)
        for site in sites:
            layer = BlurPool2d(site.channels, 1, site.stride).train(model.get_submodule(site.carrier).training)
            _put(model, site, layer, Options(avgpool='keep'))
        yield
    finally:
        attach.detach_all(model)


def _take_stride(model: nn.Module, site: Site) -> None:
    """Make the operations of a site dense; a pool with its own filter knows its stride and keeps it."""
    for name in site.roots:
        root = model.get_submodule(name)
        if name in site.same:
            attach.keep_padding(root)
        if site.kind == ops.CONV or name in site.same:
            for part in ops.strided_parts(root):
                attach.override(part, stride=(1, 1))


def _put(model: nn.Module, site: Site, layer: nn.Module, options: Options) -> None:
    """Hang the filter of a site on its attachment point."""
    module = model.get_submodule(site.carrier)
    side, dense = 'before' if site.mode == 'pre' else 'behind', 'module'
    if site.mode == 'slot':
        attach.fill_slot(model.get_submodule(site.carrier.rpartition('.')[0]), layer)
        return
    if site.mode == 'pool' and site.kind == ops.AVG_POOL:
        dense = _DENSE_AVERAGES[options.avgpool]
    elif site.mode == 'pool':
        dense = 'max' if options.padding == 'keep' else 'circular max'
        window = ops.pair(module.kernel_size), ops.stride_of(module), ops.pair(module.padding)
        if options.maxpool == 'published' and window == ((3, 3), (2, 2), (1, 1)):
            attach.override(module, kernel_size=2, padding=0)
    attach.attach(module, layer, attach.Attachment(side, dense))


def _recompute(model: nn.Module, graph: Graph, plan: AntialiasPlan) -> None:
    """Recompute where it can be done; elsewhere only memory is not saved."""
    segments = {site: find_segment(model, graph, site) for site in plan.sites}
    for site, segment in segments.items():
        if isinstance(segment, Segment):
            attach.recompute_in_backward(model, segment)
        else:
            logger.debug('%s: not recomputed: %s: %s', plan.model, ' + '.join(site.roots), segment)
    if not any(isinstance(segment, Segment) for segment in segments.values()):
        message = f'recompute has nothing to do: {"; ".join(dict.fromkeys(segments.values()))}'
        warnings.warn(f'{plan.model}: {message}', AntialiasWarning, stacklevel=4)


def _warn_of_frozen_filters(model: nn.Module, plan: AntialiasPlan, layers: list[nn.Module]) -> None:
    """A filter with parameters must be able to learn them."""
    learning = [site for site, layer in zip(plan.sites, layers, strict=True) if any(True for _ in layer.parameters())]
    frozen = []
    for site in learning:
        around = [p for name in (*site.roots, site.carrier) for p in model.get_submodule(name).parameters()]
        if not any(p.requires_grad for p in around or model.parameters()):  # a pool's filter learns as the network does
            frozen.append(site.carrier)
    if frozen:
        message = f'its filters at {", ".join(frozen)} lie in frozen stages and would never learn: they stay random'
        warnings.warn(f'{plan.model}: {message}', AntialiasWarning, stacklevel=4)
    if learning and any(getattr(module, 'norm_eval', False) for module in model.modules()):
        message = 'norm_eval keeps the norms of its filters in eval mode: their statistics must come with the weights'
        warnings.warn(f'{plan.model}: {message}', AntialiasWarning, stacklevel=4)
