#!/usr/bin/env bash
# TEST labels: lint timeout: 60
# The tree speaks of nothing but itself: no paths of one machine, no numbers of a tracker, no notes to self.
# shellcheck source=tests/lint/lint.bash
. "$(dirname "$0")/lint.bash"

# Written with brackets so that this file does not offend itself.
patterns='(^|[^A-Za-z0-9_.])/wor[k]/|/far[m]/|/tmp/bash_job[s]|\.mirro[r]/|workplac[e]'
patterns+='|(^|[^a-zA-Z])([Ii]ssue|[Aa]cceptance|[Ss]ession) ?#?[0-9]'
patterns+='|TOD[O]|FIXM[E]|[^X]XX[X][^X]'

scan() {
    local files
    mapfile -t files < <(sources "$1" . -- '*' | grep -vE '^\./(\.git|build|runs|\.cache)/|^\./tests/golden/.*\.(h5|safetensors|json|txt)$')
    [ ${#files[@]} -eq 0 ] || (cd "$1" && grep -nIE -- "$patterns" "${files[@]}" /dev/null | cut -c1-160) || true
}

caught "a path of one machine" docs/x.md < <(printf 'see /wor%s/main\n' k)
caught "a number of a tracker" src/x.c < <(printf '/* as issu%s #3 asks */\n' e)
caught "a note to self" src/x.c < <(printf '/* TOD%s: later */\n' O)
accepted "plain words" src/x.c <<<'/* network/work, an issue with 3 ranks, mktemp /tmp/lt.XXXXXX */'
verdict
