"""``antialias eval`` and ``antialias compare``."""

import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

from antialias_cli.checks import check_figures, check_outputs, names_of, networks_of
from antialias_plugins.evaluation import ConfigModel, Settings, comparison, report
from antialias_plugins.evaluation.models import Model
from antialias_plugins.evaluation.pictures import find_pictures
from antialias_plugins.metrics.intervals import group_of
from antialias_plugins.utils import replacing, write_text


def evaluate(args: Namespace) -> Callable[[], None]:
    """Return what evaluates a network, prints a table and writes the file."""
    (model,) = networks_of(args, [args.network]).values()
    settings = _settings(args, [model])
    check_outputs(args, 'json')

    def work() -> None:
        evaluation = model.evaluate(settings)
        print(model)
        print(f'{_where(model, settings)}: {evaluation.consistency.images} images, {report.format_cost(evaluation)}')
        if evaluation.prepared:
            form = '{plan}; images resized to {resize_for_views}, {preparation[interpolation]}'
            print(form.format(**evaluation.prepared))
        print(report.format_report(evaluation))
        if args.json is not None:
            of_network = {'network': args.network, 'pretrained': args.pretrained, 'model_kwargs': args.model_kwargs}
            written = {**of_network, 'cfg_options': args.cfg_options, **settings.as_dict()}
            report.write_report(args.json, written, evaluation)
            print(f'{args.json}: written')

    return work


def compare(args: Namespace) -> Callable[[], None]:
    """Return what measures what has not been measured yet, prints the table and writes the files."""
    models = networks_of(args, args.networks)
    names = names_of(args, len(models)) or comparison.short_names(models)
    settings = _settings(args, list(models.values()))
    if args.published and args.figure is None:
        raise ValueError('published must come with a figure, got none')
    if args.table is not None and args.table.suffix not in ('.md', '.csv'):
        raise ValueError(f'table must end in .md or .csv, got {args.table}')
    check_outputs(args, 'json', 'table', 'figure', keep=['json'])
    check_figures(args, 'figure')
    labelled = settings.images is None or (not settings.unlabelled and find_pictures('images', settings.images)[1])
    if args.figure is not None and not labelled:
        raise ValueError('figure must come with images that have labels, got none: it shows accuracy over consistency')
    measured = comparison.Comparison(settings, args.json, again=args.overwrite)

    def work() -> None:
        records = {}
        try:
            for name, (text, model) in zip(names, models.items(), strict=True):
                print(name, file=sys.stderr)
                records[name] = measured.measure(text, model)
                accuracy = comparison.headline(records)  # do they do the same?
                if args.figure is not None and accuracy is None:
                    raise ValueError('figure needs the accuracy of the networks, got none: their images have no labels')
        except KeyboardInterrupt:
            go_on, lost = 'what was measured is kept: run it again to go on', 'nothing kept, for want of --json'
            raise KeyboardInterrupt(go_on if args.json else lost) from None
        table = comparison.format_comparison(records)
        print('\n'.join([table, *comparison.notes(records)]))
        if args.table is not None and args.table.suffix == '.csv':
            comparison.write_csv(args.table, records)
        elif args.table is not None:
            write_text(args.table, table + '\n')
        if args.figure is not None:
            _draw(args.figure, records, args.published)
        for path in filter(None, (args.json, args.table, args.figure)):
            print(f'{path}: written')

    return work


def _settings(args: Namespace, models: list[Model]) -> Settings:
    given = {field.name: getattr(args, field.name) for field in fields(Settings) if hasattr(args, field.name)}
    if 'images' in given:
        given['images'] = tuple(given['images'])
    settings = Settings(**given)
    if all(isinstance(model, ConfigModel) for model in models):
        settings.check_for_configs()
    else:
        settings.check_for_classifiers()
    if settings.images:
        files, _ = find_pictures('images', settings.images)
        if settings.groups is not None:
            for file, _ in files:
                group_of(str(file), settings.groups)
    return settings


def _where(model: Model, settings: Settings) -> str:
    if isinstance(model, ConfigModel):
        return str(model.config)
    first, *others = settings.images
    return f'{first} and {len(others)} more' if others else str(first)


def _draw(path: Path, records: dict[str, dict], published: bool) -> None:
    """Draw accuracy over consistency."""
    from antialias_plugins.visualization import PUBLISHED_RESULTS, Result, plot_pareto

    accuracy = comparison.headline(records)
    results = [Result(row['model'], row[accuracy], row['consistency'], 'measured') for row in comparison.rows(records)]
    figure = plot_pareto(results, PUBLISHED_RESULTS if published else ())
    if accuracy != 'top1':
        figure.axes[0].set(xlabel=f'{comparison.consistency_name(accuracy)} / %', ylabel=f'{accuracy} / %')
    with replacing(path) as partial:
        figure.savefig(partial, format=path.suffix[1:])
