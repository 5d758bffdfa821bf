// TEST np: 0  rooms: base  labels: unit  timeout: 60
/* Keys of method.* that change nothing are refused, with where they are, the method and what it reads: those of a trial that its method does not read,
 * whoever set method and key (file, command line, sweep), and those of the run that no trial reads.  What is dumped is never refused. */
#include "base/config.h"
#include "lt_test.h"

#include <unistd.h>

static char path[64]; /* the run file of this test */

static lt_status load(const char *yaml, const char *over, lt_config **cfg) {
    FILE *f = fopen(path, "wb");
    *cfg = NULL;
    CHECK(f && fputs(yaml, f) >= 0);
    if (f) fclose(f);
    return lt_config_load(path, over != NULL, &over, cfg);
}

/* A configuration with a key that changes nothing: it loads, but not to be run. */
static void unread(const char *yaml, const char *over, const char *says, const char *and) {
    lt_config *cfg;
    CHECK_OK(load(yaml, over, &cfg));
    if (!cfg) return;
    CHECK_FAILS(lt_config_check_used(cfg), LT_ERR_CONFIG, says);
    TEST_REPORT(strstr(lt_err_last()->msg, and), "\"%s\" lacks \"%s\"", lt_err_last()->msg, and);
    lt_config_free(&cfg);
}

static void all_read(const char *yaml, const char *over) {
    lt_config *cfg, *again = NULL;
    char *dump = NULL;
    CHECK_OK(load(yaml, over, &cfg));
    if (!cfg) return;
    CHECK_OK(lt_config_check_used(cfg));
    CHECK_OK(lt_config_text(cfg, &dump)); /* what is printed is a run file */
    lt_config_free(&cfg);
    CHECK_OK(load(dump, NULL, &again));
    if (again) CHECK_OK(lt_config_check_used(again));
    lt_config_free(&again);
    free(dump);
}

static void unread_keys(void) {
    /* a trial's own */
    unread("trials:\n  - {name: a, method: {name: prefix, length: 4}}\n  - name: b\n    method:\n      name: head\n      length: 4\n", NULL,
           ":6: trial b sets method.length, which head does not read", "; head reads name");
    unread("trials: [{name: a, method: {name: lt_prefix, pooling: none, mlp: 3}}]\n", NULL, ":1: trial a sets method.mlp, which lt_prefix",
           "lt_prefix reads name, pooling, objective");
    unread("trials: [{name: a, method: {name: head}}]\n", "trials.0.method.objective=all",
           "command line: trial a sets method.objective, which head does not read", "head reads name");
    unread("trials: [{name: a, method: {name: head, labels: {pos: good}}}]\n", NULL, ":1: trial a sets method.labels, which head", "name");
    unread("method: {labels: {pos: good}}\ntrials: [{name: a, method: {name: head, labels: {pos: fine}}}]\n", NULL,
           ":2: trial a sets method.labels, which head", "name");
    /* the method that counts is the one after the sweep, whoever set the key */
    unread("trials: [{name: a, method: {name: prefix, length: 4}}]\nsweep: {method.name: [prefix, lt_prefix]}\n", NULL,
           ":1: trial a-lt_prefix sets method.length, which lt_prefix does not read", "lt_prefix reads");
    unread("sweep:\n  method.name: [prefix, head]\n  method.length: [4, 8]\n", NULL, ":3: trial head-length4 sets method.length",
           "head reads");
    all_read("trials: [{name: a, method: {name: head, length: 4}}]\nsweep: {method.name: [prefix, prompt]}\n", NULL);
    /* of the run: for some trial */
    unread("method:\n  length: 4\n", NULL, ":2: no trial reads method.length", "; lt_prefix reads name, pooling");
    unread("method: {name: prompt}\ntrials: [{name: a}, {name: b, method: {name: head}}, {name: c}]\n", "method.mlp=5",
           "command line: no trial reads method.mlp; prompt reads name, length, init, text", "; head reads name");
    all_read("method: {length: 4, mlp: 5}\ntrials: [{name: a}, {name: b, method: {name: prefix}}]\n", "method.init=zero");
    all_read("method: {length: 4}\nsweep: {method.name: [head, prompt]}\n", NULL);
    all_read("method: {name: head, labels: {pos: good}}\n", "method.labels.neg=bad"); /* words belong to the data set */
    all_read("trials: [{name: a, method: {labels: {pos: good}}}]\n", NULL);
    all_read("method: {name: lt_prompt}\ntrials: [{name: a, method: {name: head}}]\n", NULL);
}

int main(void) {
    (void)snprintf(path, sizeof path, "/tmp/lt-unread.XXXXXX");
    int fd = mkstemp(path);
    CHECK(fd >= 0);
    close(fd);
    unread_keys();
    unlink(path);
    return test_end();
}
