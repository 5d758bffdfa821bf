/* `ltune config`: the resolved configuration and where every value comes from. */
#include "app/app.h"

#include <stdio.h>

static lt_status run(const lt_app_args *a) {
    lt_config *cfg = NULL;
    LT_TRY(lt_app_load_config(a, &cfg));
    lt_status st = lt_config_dump(cfg, stdout, 1);
    lt_config_free(&cfg);
    return st;
}

const lt_app_command lt_app_config = {
    .cli = {.program = "ltune",
            .name = "config",
            .summary = "the resolved configuration with the source of every value",
            .usage = "RUN.yaml [key=value ...]",
            .about = "Prints every key with its value and where it comes from (default, file:line, command line), then the trials that the "
                     "run would\n"
                     "train with the values of their own. The output is itself a valid run file.\n",
            .examples = "ltune config demo.yaml train.lr=1e-3\nltune config demo.yaml 'sweep={run.seed: [1, 2, 3]}' > three.yaml\n",
            .settings = true},
    .run = run};
