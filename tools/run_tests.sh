#!/usr/bin/env bash
# Set up .venv/STACK if need be, check the style, and run the tests. Arguments go to pytest.
#
#   tools/run_tests.sh                              on the onedl stack
#   STACK=openmmlab tools/run_tests.sh              on the openmmlab stack; `oldest` can run some of them, see .ci/run
#   tools/run_tests.sh -n 0 tests/layers -k odd     some of them, in one process
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
stack=${STACK:-onedl}
tools/setup_env.sh "$stack"
bin=.venv/$stack/bin

echo 'Style: ruff check, ruff format --check'
if ! "$bin/ruff" check . || ! "$bin/ruff" format --check .; then
    echo "run_tests.sh: the style is off; $bin/ruff check --fix . && $bin/ruff format . mends most of it" >&2
    exit 1
fi

echo "Tests on the $stack stack, one process per core"
# The processes share the cores already: threads of their own would only get in each other's way.
export OMP_NUM_THREADS=1
exec "$bin/python" -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal "$@"
