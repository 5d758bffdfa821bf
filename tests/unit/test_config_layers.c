// TEST np: 0  rooms: base  labels: unit  timeout: 60
/* model.bidirectional as a list of layers: single ones and ranges, in any order, every layer once; what is dumped loads to the same; what is no list. */
#include "base/config.h"
#include "lt_test.h"

static lt_status load(const char *over, lt_config **cfg) {
    *cfg = NULL;
    return lt_config_load(NULL, 1, &over, cfg);
}

static void layers(void) {
    static const struct {
        const char *given, *dumped;
    } list[] = {{"[12-17, 20]", "[12-17, 20]"}, {"[3, 1, 2, 1]", "[1-3]"}, {"[7, 6]", "[6, 7]"},    {"[0-1, 3-3, 5]", "[0, 1, 3, 5]"},
                {"[4-9, 6-12]", "[4-12]"},      {"['0-2']", "[0-2]"},      {"[0-4095]", "[0-4095]"}};
    static const char *const wrong[] = {"[a]",  "[1-]",    "[1-a]",     "[1 - 3]", "[1-2-3]", "[1--2]",
                                        "[+1]", "[12345]", "[0-99999]", "[4096]",  "['']",    "[' 1']"};
    lt_config *cfg;
    char over[64], line[64], *dump;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        (void)snprintf(over, sizeof over, "model.bidirectional=%s", list[i].given);
        CHECK_OK(load(over, &cfg));
        if (!cfg) continue;
        CHECK_OK(lt_config_text(cfg, &dump));
        (void)snprintf(line, sizeof line, "\n  bidirectional: %s\n", list[i].dumped);
        TEST_REPORT(strstr(dump, line), "%s: the dump lacks %s", over, line);
        free(dump);
        lt_config_free(&cfg);
    }
    CHECK_OK(load("model={bidirectional: [1, 4-6]}", &cfg));
    const int *l = cfg ? cfg->model.bidirectional_layers : NULL;
    CHECK(l && cfg->model.n_bidirectional_layers == 4 && l[0] == 1 && l[1] == 4 && l[2] == 5 && l[3] == 6);
    lt_config_free(&cfg);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        (void)snprintf(over, sizeof over, "model.bidirectional=%s", wrong[i]);
        CHECK_FAILS(load(over, &cfg), LT_ERR_CONFIG, "is neither a layer number nor a range");
    }
    CHECK_FAILS(load("model.bidirectional=some", &cfg), LT_ERR_CONFIG, "a list of layers such as [0, 12-17]");
    CHECK_FAILS(load("model.bidirectional=3-4", &cfg), LT_ERR_CONFIG, "a list of layers such as [0, 12-17]");
}

int main(void) {
    layers();
    return test_end();
}
