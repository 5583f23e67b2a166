"""Study of all methods in a folder: what has been measured is there, what has not is done next."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from antialias_plugins.utils import describe_environment
from lab.comparison.measures import measure_costs, measure_quality
from lab.comparison.method import Method, build_network
from lab.comparison.training import Recipe, digits, train
from lab.journal import Entry, Journal


class Study:
    """Trains every method with every seed, and keeps a journal, so that an interrupted comparison goes on where it was.

    Args:
        folder: of the journal; it need not exist.
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
        self.methods, self.seeds, self.recipe = tuple(methods), tuple(seeds), recipe
        self._train_set, self._test_set = digits(recipe)
        # Seed by seed, so that an interrupted comparison has compared as many methods as it could.
        self.runs = [(method, seed) for seed in self.seeds for method in self.methods]
        self.journal = Journal(folder / 'runs.jsonl', 'run')
        for key in (_COSTS, *(_key(*run) for run in self.runs)):
            found = self.journal.get(key).get('recipe', asdict(recipe))
            if found != asdict(recipe):
                raise ValueError(f"folder must hold runs of one recipe, {asdict(recipe)}, got {found} of '{key}'")

    def measure(self, method: Method, seed: int, report: Callable[[str], object] = lambda text: None) -> Entry:
        """Return the record of one run, after training and measuring if need be.

        Args:
            method: one of the methods.
            seed: one of the seeds.
            report: takes a line about every epoch.
        """
        record = self.journal.get(_key(method, seed)) or self._run(method, seed, report)
        return {name: value for name, value in record.items() if name != self.journal.key}

    def measure_costs(self, rounds: int = 5, seconds: float = 0.1) -> Entry:
        """Return what the methods cost; measured anew, all of them, if one is missing.

        Args:
            rounds: see `lab.comparison.measures.measure_costs`.
            seconds: see there.
        """
        found = self.journal.get(_COSTS)
        if found and {method.name for method in self.methods} <= found['costs'].keys():
            return found
        costs = measure_costs(self.methods, self._train_set, self.recipe, rounds, seconds)
        return self._add(_COSTS, costs={name: asdict(cost) for name, cost in costs.items()})

    def _run(self, method: Method, seed: int, report: Callable[[str], object]) -> Entry:
        start = time.perf_counter()
        network = build_network(method, seed)
        loss = train(network, self._train_set, self.recipe, seed, report)
        quality = asdict(measure_quality(network, self._test_set))
        seconds = time.perf_counter() - start
        return self._add(_key(method, seed), method=method.name, seed=seed, loss=loss, **quality, seconds=seconds)

    def _add(self, key: str, **fields: Any) -> Entry:
        return self.journal.add(key, **fields, recipe=asdict(self.recipe), environment=describe_environment())


_COSTS = 'costs'


def _key(method: Method, seed: int) -> str:
    return f'{method.name}_{seed}'
