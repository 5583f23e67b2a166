"""Run a tool of an OpenMMLab package on two processes, which share the time that it takes to import the package.

Arguments: the package, the tool, its arguments; '{rank}' in them is replaced.
"""

import importlib
import multiprocessing
import os
import runpy
import sys


def run(rank, tool, arguments):
    os.environ['RANK'] = str(rank)
    sys.argv = [tool, *(argument.format(rank=rank) for argument in arguments)]
    runpy.run_path(tool, run_name='__main__')


def main():
    package, tool, *arguments = sys.argv[1:]
    for module in ('datasets', 'engine', 'evaluation', 'models', 'visualization'):
        importlib.import_module(f'{package}.{module}')
    context = multiprocessing.get_context('fork')
    processes = [context.Process(target=run, args=(rank, tool, arguments)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    sys.exit(max(abs(process.exitcode) for process in processes))


if __name__ == '__main__':
    main()
