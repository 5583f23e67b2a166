"""The comparison in a folder: what has been measured is there, what has not is done next."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from antialias_plugins.utils import describe_environment, replacing
from lab.comparison.cost import measure_costs
from lab.comparison.digits import digits
from lab.comparison.method import Method
from lab.comparison.network import build_network
from lab.comparison.quality import measure_quality
from lab.comparison.recipe import Recipe
from lab.comparison.training import train

Record = dict[str, Any]


class Study:
    """Trains every method with every seed, one file each, so that an interrupted comparison goes on where it was.

    Args:
        folder: of the files; it need not exist.
        methods: what to compare, without repetition.
        seeds: of the weights and of the order of the images, at least 0, without repetition.
        recipe: how all of them are trained.

    Raises:
        ValueError: If an argument breaks a rule above, or the folder holds runs of another recipe.
    """

    def __init__(self, folder: Path, methods: Sequence[Method], seeds: Sequence[int], recipe: Recipe) -> None:
        for name, values in {'methods': [method.name for method in methods], 'seeds': seeds}.items():
            if not values or len(set(values)) < len(values):
                raise ValueError(f'{name} must be at least one, without repetition, got {list(values)}')
        if min(seeds) < 0:
            raise ValueError(f'seeds must be at least 0, got {list(seeds)}')
        self.folder, self.methods, self.seeds, self.recipe = folder, tuple(methods), tuple(seeds), recipe
        self._train_set, self._test_set = digits(recipe)
        # Seed by seed, so that an interrupted comparison has compared as many methods as it could.
        self.runs = [(method, seed) for seed in self.seeds for method in self.methods]
        for path in (self._costs_path, *(self._path(*run) for run in self.runs)):
            self._read(path)

    def measure(self, method: Method, seed: int, report: Callable[[str], object] = lambda text: None) -> Record:
        """Return the record of one run, after training and measuring if need be.

        Args:
            method: one of the methods.
            seed: one of the seeds.
            report: takes a line about every epoch.
        """
        found = self._read(self._path(method, seed))
        if found is not None:
            return found
        start = time.perf_counter()
        network = build_network(method, seed)
        loss = train(network, self._train_set, self.recipe, seed, report)
        quality = asdict(measure_quality(network, self._test_set))
        seconds = time.perf_counter() - start
        record = {'method': method.name, 'seed': seed, 'loss': loss, **quality, 'seconds': seconds}
        return self._write(self._path(method, seed), record)

    def measure_costs(self, rounds: int = 5, seconds: float = 0.1) -> Record:
        """Return what the methods cost; measured anew, all of them, if one is missing.

        Args:
            rounds: see `lab.comparison.cost.measure_costs`.
            seconds: see there.
        """
        found, names = self._read(self._costs_path), {method.name for method in self.methods}
        if found is not None and names <= found['costs'].keys():
            return found
        costs = measure_costs(self.methods, self._train_set, self.recipe, rounds, seconds)
        return self._write(self._costs_path, {'costs': {name: asdict(cost) for name, cost in costs.items()}})

    @property
    def _costs_path(self) -> Path:
        return self.folder / 'runs' / 'costs.json'

    def _path(self, method: Method, seed: int) -> Path:
        return self.folder / 'runs' / f'{method.name}_{seed}.json'

    def _read(self, path: Path) -> Record | None:
        if not path.exists():
            return None
        try:
            record = json.loads(path.read_text())
            recipe = record['recipe']
        except (ValueError, TypeError, LookupError) as error:  # no JSON, or that of something else
            raise ValueError(f'folder must hold what compare_methods.py wrote, got {path}, which is not') from error
        if recipe != asdict(self.recipe):
            raise ValueError(f'folder must hold runs of one recipe, {asdict(self.recipe)}, got {recipe} in {path}')
        return record

    def _write(self, path: Path, record: Record) -> Record:
        record = {**record, 'recipe': asdict(self.recipe), 'environment': describe_environment()}
        with replacing(path) as partial:
            partial.write_text(json.dumps(record, indent=2, allow_nan=False) + '\n')
        return record
