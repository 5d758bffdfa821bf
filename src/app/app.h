#pragma once
/* The program `ltune`: one main, one file a subcommand.  This room alone may exit.
 *
 * Results go to stdout, logs to stderr.  With --json a command prints one JSON object a result on stdout and nothing else there. */

#include "base/cli.h"
#include "base/config.h"
#include "comm/comm.h"
#include "model/device.h"

#include <jansson.h>
#include <math.h>

/* What a command works with. */
typedef struct lt_app_args {
    lt_comm *world; /* NULL for commands that start no MPI */
    lt_cli_args cli;
    const char *program; /* "ltune train" */
} lt_app_args;

typedef struct lt_app_command {
    lt_cli_command cli; /* cli.mpi: MPI is started for it */
    bool stops;         /* SIGTERM and SIGUSR1 are kept for it (base/signal.h) */
    lt_status (*run)(const lt_app_args *a);
} lt_app_command;

extern const lt_app_command lt_app_train, lt_app_eval, lt_app_predict, lt_app_generate, lt_app_features, lt_app_export, lt_app_plan,
    lt_app_config, lt_app_selftest, lt_app_bench;

/* Local.  Loads the configuration: first word is the YAML file, overrides as given.  Errors: ARG (no file named), CONFIG, IO. */
lt_status lt_app_load_config(const lt_app_args *a, lt_config **cfg);
/* Collective(world).  Agreement on st, and that all ranks resolved the same configuration.  Errors: those of st; ARG. */
lt_status lt_app_agree_config(const lt_app_args *a, lt_status st, const lt_config *cfg);
/* Collective(world).  Opens the device that --device names, for commands without a configuration and without words.  Errors: ARG, CONFIG, CUDA (agreed). */
lt_status lt_app_open_device(const lt_app_args *a, lt_device *d);
/* Local.  `ltune help [topic]`; false if there is no such topic. */
bool lt_app_help(const char *topic);
/* Local.  Puts "WHERE:LINE: " before the message of the last failure, which is given back. */
lt_status lt_app_at(lt_status st, const char *where, int64_t line);
/* Local.  A number for json_pack's "o"; null for what JSON has no word for (NaN, infinity). */
static inline json_t *lt_app_number(double x) { return isfinite(x) ? json_real(x) : json_null(); }
/* The table of commands, ended by NULL. */
extern const lt_app_command *const lt_app_commands[];
