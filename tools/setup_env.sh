#!/usr/bin/env bash
# Create .venv/STACK: one OpenMMLab stack, this package in editable mode, and what the tests need.
#
#   tools/setup_env.sh onedl        the maintained continuation, on a current PyTorch
#   tools/setup_env.sh openmmlab    the original releases; compiles mmcv once
#   tools/setup_env.sh oldest       no OpenMMLab: the lower bounds of setup.cfg, on the oldest Python, and pytest
#
# Called again it returns at once, unless the recipe has changed (this script, the requirements, setup.cfg, the version,
# the Python, the place): then it rebuilds from scratch. An installation that fails or is interrupted is removed.
#
#   PYTHON=python3.11               the interpreter to build on (default: the first suitable one on the PATH)
#   MAX_JOBS=2                      compiler processes (default: one per core)
#   XDG_CACHE_HOME=DIR              where the compiled mmcv is kept (default: ~/.cache)
set -euo pipefail

fail() {
    printf 'setup_env.sh: %s\n' "$@" >&2
    exit 1
}

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
stack=${1-}
case $stack in
    onedl) steps=5 newest_minor=99 modules='torch torchvision timm mmseg mmpretrain antialias_plugins' ;;
    openmmlab) steps=6 newest_minor=12 modules='torch torchvision timm mmcv._ext mmseg mmdet mmpretrain antialias_plugins' ;;
    oldest) steps=5 newest_minor=11 modules='torch torchvision timm antialias_plugins' ;;
    *) fail "unknown stack '$stack': choose onedl, openmmlab or oldest" ;;
esac
[[ $# -eq 1 ]] || fail "takes one argument, the stack, and got $#: $*"

cd "$root"
venv=.venv/$stack
recipe=$venv/recipe.txt
requirements=requirements/$stack.txt
pins=(--constraint "$requirements" --constraint requirements/tests.txt)
python=${PYTHON:-$venv/bin/python} # an environment that is there keeps its interpreter, unless PYTHON asks for another
unset PYTHONHOME PYTHONPATH

describe_python() { # prints "3.11.7 in /usr" of an interpreter, nothing if it does not run
    "$1" -c 'import platform, sys; print(platform.python_version(), "in", sys.base_prefix)' 2>/dev/null || true
}

write_recipe() {
    printf 'python: %s\n' "$(describe_python "$python")"
    printf 'place: %s\n' "$root"
    local file
    for file in tools/setup_env.sh "$requirements" requirements/tests.txt setup.cfg antialias_plugins/version.py; do
        printf '%s: %s\n' "$file" "$(cksum <"$file")"
    done
}

is_up_to_date() {
    [[ -f $recipe ]] && write_recipe | cmp -s - "$recipe"
}

say_why() {
    if [[ -f $recipe ]]; then
        local changed
        changed=$(write_recipe | diff - "$recipe" | sed -n 's/^< \([^:]*\): .*/\1/p' | paste -sd, - || true)
        echo "$venv is out of date (changed: ${changed//,/, }): it is rebuilt."
    elif [[ -d $venv ]]; then
        echo "$venv was left unfinished: it is rebuilt."
    else
        echo "$venv does not exist: it is built."
    fi
}

is_suitable() {
    "$1" -c "import sys; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, $newest_minor))" 2>/dev/null
}

find_python() {
    local wanted candidate candidates=(python3 python3.12 python3.11 python3.10)
    wanted='Python 3.10 or newer'
    [[ $stack == openmmlab ]] && wanted='Python 3.10, 3.11 or 3.12'
    if [[ $stack == oldest ]]; then
        wanted='Python 3.10 or 3.11'
        candidates=(python3.10 "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/3.10.*/bin/python python3.11 python3)
    fi
    if [[ -n ${PYTHON-} ]]; then
        is_suitable "$PYTHON" || fail "PYTHON=$PYTHON does not run or is not $wanted, which the $stack stack needs"
        return
    fi
    for candidate in "${candidates[@]}"; do
        if is_suitable "$candidate"; then
            python=$candidate
            return
        fi
    done
    fail "the $stack stack needs $wanted, and none of ${candidates[*]##*/} is one" \
        'install one, or name it: PYTHON=/path/to/python tools/setup_env.sh '"$stack"
}

check_python() {
    "$python" -c 'import ensurepip, venv' 2>/dev/null \
        || fail "$python cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv"
}

check_compiler() {
    command -v "${CXX:-c++}" >/dev/null \
        || fail "mmcv has to be compiled, and there is no C++ compiler (${CXX:-c++}); on Debian and Ubuntu: apt-get install g++"
    "$python" -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("include"), "Python.h").stat()' 2>/dev/null \
        || fail "mmcv has to be compiled, and $python has no Python.h; on Debian and Ubuntu: apt-get install python3-dev"
}

check_disk() {
    local free_gb
    free_gb=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024 / 1024) }')
    ((free_gb >= 8)) || fail "$root has $free_gb GB of free disk space and $venv needs 8 GB: make room, and call this again"
}

lock() {
    mkdir -p .venv
    command -v flock >/dev/null || return 0
    exec 9>"$venv.lock"
    if ! flock -n 9; then
        echo "Another process is building $venv: waiting for it."
        flock 9
    fi
}

child=
clean_up() {
    local status=$?
    trap - EXIT
    trap '' INT TERM HUP
    if [[ -n $child ]]; then
        kill -TERM -- "-$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    rm -rf "$venv" || { sleep 1 && rm -rf "$venv"; }
    echo "setup_env.sh: stopped; the unfinished $venv is removed. Call it again to start over." >&2
    exit "$status"
}

begin() {
    trap clean_up EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM
    trap 'exit 129' HUP
    new_recipe=$(write_recipe)
    rm -f "$recipe"
    rm -rf "$venv"
}

finish() {
    rm -rf "$venv/tmp"
    echo "$new_recipe" >"$venv/recipe.part"
    mv "$venv/recipe.part" "$recipe"
    trap - EXIT INT TERM HUP
}

# In a process group of its own and waited for, so that a signal is obeyed at once and reaches the compilers below pip too.
run() {
    local status=0
    set -m
    "$@" </dev/null &
    child=$!
    set +m
    wait "$child" || status=$?
    child=
    return "$status"
}

count=0
step() {
    count=$((count + 1))
    echo "[$count/$steps] $*"
}

pip_() { # TMPDIR: what pip unpacks goes away with the environment
    TMPDIR=$root/$venv/tmp PATH=$root/$venv/bin:$PATH run "$venv/bin/python" -m pip --disable-pip-version-check "$@" \
        || fail "pip could not do this (its own message is above): pip $*" \
            'put right what it complains of (often the network or a proxy), then call this again'
}

pinned() { # version of a package in the stack's requirements
    sed -n "s/^$1==//p" "$requirements"
}

make_venv() {
    run "$python" -m venv "$venv" || fail "$python -m venv failed (its own message is above)"
    mkdir "$venv/tmp"
}

can_import() {
    run "$venv/bin/python" -c "import $1"
}

name_wheel_folder() { # everything that a compiled mmcv depends on is in the name, so that it can never meet another torch
    local tag
    tag=$("$python" -c 'import sys, sysconfig; print("cp%d%d-" % sys.version_info[:2] + sysconfig.get_platform())')
    echo "${XDG_CACHE_HOME:-${HOME:-$root}/.cache}/antialias-plugins/wheels/mmcv-$(pinned mmcv)-torch$(pinned torch)-$tag"
}

find_wheel() {
    compgen -G "$wheels/mmcv-*.whl" | head -n 1 || true
}

compile_mmcv() { # without CUDA, also where there is a GPU: no model here needs mmcv's CUDA ops
    check_compiler
    MMCV_WITH_OPS=1 FORCE_CUDA=0 CUDA_VISIBLE_DEVICES='' MAX_JOBS=${MAX_JOBS:-$(getconf _NPROCESSORS_ONLN)} \
        pip_ wheel --no-deps --no-build-isolation --no-cache-dir "${pins[@]}" --wheel-dir "$venv/tmp" mmcv
    pip_ install "${pins[@]}" "$venv"/tmp/mmcv-*.whl
    can_import mmcv._ext || fail 'mmcv was compiled but its ops cannot be imported (the reason is above)'
    keep_wheel "$venv"/tmp/mmcv-*.whl || echo "mmcv could not be kept in $wheels: the next environment compiles it again."
}

keep_wheel() {
    mkdir -p "$wheels" && cp "$1" "$wheels/part.$$" && mv "$wheels/part.$$" "$wheels/${1##*/}"
}

install_mmcv() {
    local wheel
    wheel=$(find_wheel)
    if [[ -z $wheel ]]; then
        step "mmcv $(pinned mmcv): compile its ops (about 7 minutes on two cores; kept in $wheels)"
        compile_mmcv
        return
    fi
    step "mmcv $(pinned mmcv): compiled before, in $wheels (a few seconds)"
    pip_ install "${pins[@]}" "$wheel"
    can_import mmcv._ext && return
    echo 'The kept mmcv does not work with this PyTorch: it is deleted and compiled again (about 7 minutes on two cores).'
    rm "$wheel"
    pip_ uninstall --yes mmcv
    compile_mmcv
}

install_all() {
    local build_tools=()
    [[ $stack == openmmlab ]] && build_tools=(numpy setuptools wheel ninja psutil)
    step "virtual environment on Python $(describe_python "$python") (a few seconds)"
    make_venv
    step "PyTorch $(pinned torch) (one to two minutes, mostly download)"
    pip_ install "${pins[@]}" torch torchvision ${build_tools[@]+"${build_tools[@]}"}
    [[ $stack == openmmlab ]] && install_mmcv
    step "the $stack stack, and what the tests need (half a minute)"
    if [[ $stack == oldest ]]; then
        pip_ install --constraint requirements/tests.txt --requirement "$requirements" pytest pytest-xdist ruff setuptools wheel
    else
        pip_ install --requirement "$requirements" --requirement requirements/tests.txt
    fi
    step 'antialias_plugins in editable mode (a few seconds)'
    pip_ install --quiet --no-build-isolation "${pins[@]}" --editable .
    step 'check that everything can be imported (15 seconds)'
    can_import "${modules// /, }" || fail "$venv was installed, but not all of it can be imported (the reason is above)"
}

lock
if is_up_to_date; then
    echo "$venv is up to date."
    exit 0
fi
find_python
check_python
wheels=$(name_wheel_folder)
if [[ $stack == openmmlab && -z $(find_wheel) ]]; then
    check_compiler
fi
say_why
begin
check_disk
install_all
finish
echo "$venv is ready: $venv/bin/python"
