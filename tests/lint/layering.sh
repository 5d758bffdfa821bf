#!/usr/bin/env bash
# TEST labels: lint timeout: 60
# The house: a folder includes only itself and the folders that the table allows; an outside library is spoken to only by its owners;
# a private header (NAME_impl.h) stays in its room.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "$0")/lint.bash"

# room: what it may include.  The same order as in CMakeLists.txt and docs/ARCHITECTURE.md.
rooms='
base:
tensor: base
device: base tensor
comm: base tensor device
kernels: base tensor device comm
store: base tensor
text: base tensor store
model: base tensor device comm kernels store text
tuner: base tensor device comm kernels store text model
assistant: base tensor device comm kernels store text model
train: base tensor device comm kernels store text model tuner assistant
check: base tensor device comm kernels store text model tuner assistant train
app: base tensor device comm kernels store text model tuner assistant train check
data-prep: base tensor store text model
analysis: base tensor store text model
'
# library header: rooms that may include it.
owners='
mpi.h: comm device store
cuda_runtime_api.h: device
cuda_runtime.h: device
cublasLt.h: device
nccl.h: device
hdf5.h: store
dnnl.h: kernels
omp.h: kernels store comm model tuner train app
yaml.h: base
utf8proc.h: text assistant
pcre2.h: text
openssl/evp.h: base text
zlib.h: data-prep store
'

scan() {
    local file
    while read -r file; do
        [ -z "$file" ] || awk -v file="$file" -v rooms="$rooms" -v owners="$owners" '
            BEGIN {
                n = split(rooms, line, "\n")
                for (i = 1; i <= n; i++) if (split(line[i], part, ":") == 2) { known[part[1]] = 1; allowed[part[1]] = " " part[2] " " }
                n = split(owners, line, "\n")
                for (i = 1; i <= n; i++) if (split(line[i], part, ":") == 2) owner[part[1]] = " " part[2] " "
                room = file; sub(/^src\//, "", room); sub(/\/.*/, "", room)
                if (!(room in known)) print file ": folder " room " is not in the table of rooms (tests/lint/layering.sh)"
            }
            /^[ \t]*#[ \t]*include/ {
                where = file ":" FNR ": "
                if (match($0, /<[^>]*>/)) {
                    name = substr($0, RSTART + 1, RLENGTH - 2)
                    if (name in owner && index(owner[name], " " room " ") == 0)
                        print where room " must not include <" name ">: only" owner[name]
                } else if (match($0, /"[^"]*"/)) {
                    name = substr($0, RSTART + 1, RLENGTH - 2)
                    slash = index(name, "/")
                    to = slash ? substr(name, 1, slash - 1) : ""
                    if (!slash && file ~ /^src\//) print where "\"" name "\": write the path from src, as \"" room "/" name "\""
                    foreign = slash && to != room
                    if (foreign && index(allowed[room], " " to " ") == 0) print where room " must not include from " to ": \"" name "\""
                    if (foreign && name ~ /_impl\.h$/) print where "\"" name "\" is private to " to
                }
            }' "$1/$file"
    done < <(sources "$1" src data-prep analysis -- '*.c' '*.h' '*.cu' '*.cuh')
}

caught "a lower room includes a higher one" src/store/x.c <<<'#include "comm/comm.h"'
caught "a tool includes the trainer" data-prep/x.c <<<'#include "train/trainer.h"'
caught "a private header crosses rooms" src/train/x.c <<<'#include "model/model_impl.h"'
caught "a library in the wrong room" src/tuner/x.c <<<'#include <hdf5.h>'
caught "an unknown folder" src/attic/x.c <<<'int x;'
caught "an include without its folder" src/base/x.c <<<'#include "err.h"'
accepted "downward includes" src/model/x.c <<<'#include "model/model_impl.h"
#include "kernels/ops.h"
#include <stdio.h>'
accepted "a tool and its own header" data-prep/x.c <<<'#include "prep.h"
#include "text/tok.h"'
verdict
