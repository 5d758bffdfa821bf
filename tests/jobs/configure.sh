#!/usr/bin/env bash
# TEST labels: jobs timeout: 400
# What configuring does with an nvcc that does not work: with LT_CUDA=AUTO one warning and a build for CPUs, with ON the end, both with nvcc's words;
# OFF does not look.  Where there is an nvcc that works, AUTO takes it without a warning.
set -euo pipefail
source_dir=${LT_SOURCE:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
command -v cmake >/dev/null || { echo "skipped: no cmake here"; exit 77; }
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
passed=0 failed=0
real=$(command -v nvcc || echo /usr/local/cuda/bin/nvcc)

mkdir "$tmp/silent" "$tmp/words"
printf '#!/bin/sh\nexit 1\n' >"$tmp/silent/nvcc"
cat >"$tmp/words/nvcc" <<'NVCC'
#!/bin/sh
echo "host_config.h:143:2: error: #error -- unsupported GNU version! gcc versions later than 12 are not supported!" >&2
exit 1
NVCC
chmod +x "$tmp"/*/nvcc

# configure NVCC_FOLDER LT_CUDA: exit code in rc, output in $tmp/out.
configure() {
    rc=0
    rm -rf "$tmp/build"
    env -u CUDACXX -u CUDAHOSTCXX PATH="$1:$PATH" cmake -S "$source_dir" -B "$tmp/build" -DLT_CUDA="$2" -DLT_TESTS=OFF \
        -DCMAKE_CUDA_ARCHITECTURES=90a-real >"$tmp/out" 2>&1 || rc=$?
}
expect() { # expect WHAT FOUND WANTED
    if [ "$2" = "$3" ]; then passed=$((passed + 1)); else
        failed=$((failed + 1))
        echo "FAILED: $1: found '$2', expected '$3'"
        sed 's/^/  | /' "$tmp/out"
    fi
}
# (CMake breaks lines where it likes)
says() { tr -s ' \n' ' ' <"$tmp/out" | grep -qF -- "$1" && echo yes || echo no; }
warnings() { grep -cE '^CMake (Warning|Error)' "$tmp/out" || true; }
has_cuda() { grep -q -- -DLT_HAVE_CUDA "$tmp/build/compile_commands.json" && echo yes || echo no; }

configure "$tmp/words" AUTO
expect "AUTO: exit code" $rc 0
expect "AUTO: warnings" "$(warnings)" 1
expect "AUTO: says what follows" "$(says 'building for CPUs alone: the CUDA compiler')" yes
expect "AUTO: says which" "$(says "$tmp/words/nvcc does not work here")" yes
expect "AUTO: says why" "$(says 'unsupported GNU version! gcc versions later than 12')" yes
expect "AUTO: says what to do" "$(says CMAKE_CUDA_HOST_COMPILER)" yes
expect "AUTO: a build without CUDA" "$(has_cuda)" no

configure "$tmp/words" ON
expect "ON: fails" "$((rc != 0))" 1
expect "ON: says why" "$(says 'LT_CUDA is ON, and the CUDA compiler')" yes
expect "ON: nvcc's words" "$(says 'unsupported GNU version!')" yes

configure "$tmp/silent" AUTO
expect "silent, AUTO: exit code" $rc 0
expect "silent, AUTO: warnings" "$(warnings)" 1
expect "silent, AUTO: a build without CUDA" "$(has_cuda)" no

configure "$tmp/silent" OFF
expect "OFF: does not look" "$rc $(warnings) $(has_cuda)" "0 0 no"

if [ -x "$real" ] && echo 'int x;' >"$tmp/x.cu" && "$real" -c "$tmp/x.cu" -o "$tmp/x.o" >"$tmp/out" 2>&1; then
    configure "$(dirname "$real")" AUTO
    expect "one that works: exit code" $rc 0
    expect "one that works: warnings" "$(warnings)" 0
    expect "one that works: a build with CUDA" "$(has_cuda)" yes
    cmake "$tmp/build" >"$tmp/out" 2>&1 || rc=$?
    expect "and again" "$rc $(warnings) $(has_cuda)" "0 0 yes"
else
    echo "no nvcc that works here: what is done with one was not looked at"
fi
echo "$passed passed, $failed failed"
[ $failed -eq 0 ]
