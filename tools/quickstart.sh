#!/usr/bin/env bash
# Train and test DeepLabV3+ three times on generated street scenes, plain and antialiased, and compare: do the predictions
# change when the camera moves by a pixel? Everything runs through mmseg's own tools/train.py and tools/test.py.
#
#   tools/quickstart.sh                     on the onedl stack
#   STACK=openmmlab tools/quickstart.sh     on the openmmlab stack
#
# Called again it repeats nothing that is finished, and resumes a training that was stopped.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
stack=${STACK:-onedl}
data=data/toyscapes
out=work_dirs/quickstart
methods=(baseline lpf3 ddac3)
steps=$((2 + 2 * ${#methods[@]}))
python=.venv/$stack/bin/python
# Threads that wait for each other by spinning make an iteration several times slower as soon as anything else runs;
# threads that never spin are slower on an idle machine. This is between the two.
export GOMP_SPINCOUNT=${GOMP_SPINCOUNT:-10000}

exec 3>&2 # where messages go, whatever is redirected when they are due
fail() {
    printf 'quickstart.sh: %s\n' "$@" >&3
    exit 1
}

count=0
step() {
    count=$((count + 1))
    echo "[$count/$steps] $*"
}

lock() {
    mkdir -p "$out"
    command -v flock >/dev/null || return 0
    exec 8>"$out/.lock"
    flock -n 8 || fail "another quickstart is at work in $out: wait until it has ended, or stop it"
}

# In a process group of its own and waited for, so that a signal is obeyed at once and reaches everything below.
child=
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

stop() {
    trap '' INT TERM HUP
    if [[ -n $child ]]; then
        kill -TERM -- "-$child" 2>/dev/null || true
        wait "$child" 2>/dev/null || true
    fi
    echo 'quickstart.sh: stopped. Call it again to go on from here.' >&3
    exit "$1"
}

logged() { # log file, command: shows the progress, keeps the rest
    local log=$1 status=0 logger
    shift
    exec 7> >(tee -a "$log" | grep --line-buffered -o 'Iter(.*')
    logger=$!
    run "$@" >&7 2>&1 || status=$?
    exec 7>&-
    wait "$logger" || true # the last words may still be on their way; grep is not content if it showed nothing
    if ((status)); then
        tail -n 20 "$log" >&3
        fail "this failed (its last words are above, all of them in $log): $*" \
            'put right what it complains of, then call this again: it goes on from here'
    fi
}

make_data() {
    step "data: 240 street scenes in $data (about a minute)"
    run "$python" tools/make_toyscapes.py --out "$data" --size 512x256 --train 200 --val 40 --workers 2 \
        || fail "the data were not made (the reason is above); if $data holds something else, move it away and call this again"
}

config_of() { # method
    local name=${1/baseline/}
    echo "configs/deeplabv3plus/deeplabv3plus_r18${name:+-$name}-d16_1xb4-250_toyscapes-96x192.py"
}

train_and_test() { # method
    local folder=$out/$stack/$1 config next
    config=$(config_of "$1")
    next=$("$python" tools/quickstart.py next "$config" "$folder" --inputs "$data/toyscapes.json") \
        || fail "what remains to be done in $folder is not known (the reason is above); move it away and call this again"

    step "train $1 (two to three minutes on two cores)"
    case $next in
        train) logged "$folder/train.log" "$python" "$tools/train.py" "$config" --work-dir "$folder" ;;
        resume)
            echo "Stopped before, in $folder: it goes on from its last checkpoint."
            logged "$folder/train.log" "$python" "$tools/train.py" "$config" --work-dir "$folder" --resume
            ;;
        *) echo "Done before, in $folder." ;;
    esac

    step "test $1: accuracy and consistency (about half a minute)"
    if [[ $next == nothing ]]; then
        echo "Done before, in $folder/test."
        return
    fi
    local checkpoint
    checkpoint=$folder/$(basename "$(<"$folder/last_checkpoint")")
    logged "$folder/test.log" "$python" "$tools/test.py" "$config" "$checkpoint" --work-dir "$folder/test"
}

trap 'stop 130' INT
trap 'stop 143' TERM
trap 'stop 129' HUP
lock
run tools/setup_env.sh "$stack" || fail "there is no environment to run in (the reason is above)"
tools=$("$python" -c 'from importlib.util import find_spec; print(find_spec("mmseg").submodule_search_locations[0])')/.mim/tools

make_data
for method in "${methods[@]}"; do
    train_and_test "$method"
done
step "summary and figure (about a minute)"
logged "$out/summary.log" "$python" tools/quickstart.py summary "${methods[@]/#/$out/$stack/}" --out "$out"
echo
cat "$out/summary.md"
