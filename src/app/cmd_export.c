/* `ltune export`: a saved trial as files that other programs load. */
#include "app/texts.h"

#include "train/export.h"

#include <string.h>

enum { DEFAULT_FILE_MB = 5000, MOST_FILE_MB = 1000000 };

static lt_status read_options(const lt_app_args *a, lt_export_args *e) {
    const char *format = lt_cli_value(&a->cli, "format"), *dtype = lt_cli_value(&a->cli, "dtype");
    int64_t mb = 0;
    *e = (lt_export_args){.dir = lt_cli_value(&a->cli, "output"), .which = lt_cli_value(&a->cli, "checkpoint"), .dtype = LT_DTYPE_COUNT};
    LT_CHECK(e->dir && *e->dir, LT_ERR_ARG, "name the folder to write with -o DIR");
    LT_CHECK(!format || !strcmp(format, "peft") || !strcmp(format, "merged"), LT_ERR_ARG, "--format %s: known are peft and merged", format);
    e->merged = format && !strcmp(format, "merged");
    LT_CHECK(!dtype || e->merged, LT_ERR_ARG, "--dtype is of --format merged: PEFT's tensors are f32");
    LT_CHECK(!dtype || !strcmp(dtype, "f32") || !strcmp(dtype, "bf16"), LT_ERR_ARG, "--dtype %s: known are f32 and bf16", dtype);
    if (dtype) e->dtype = !strcmp(dtype, "f32") ? LT_F32 : LT_BF16;
    if (!e->which) e->which = "best";
    LT_TRY(lt_cli_int(&a->cli, "file-mb", 1, MOST_FILE_MB, DEFAULT_FILE_MB, &mb));
    e->file_bytes = mb * 1000000;
    return LT_OK;
}

static lt_status run(const lt_app_args *a) {
    lt_config *cfg = NULL;
    lt_run *r = NULL;
    lt_export_args e;
    int trial = 0;
    lt_status st = read_options(a, &e);
    if (st == LT_OK) st = lt_app_load_config(a, &cfg);
    st = lt_app_agree_config(a, st, cfg);
    if (st == LT_OK) st = lt_run_create(cfg, a->world, LT_RUN_EXPORT, 0, &r);
    if (st == LT_OK) st = lt_agree(a->world, lt_app_find_trial(r, lt_cli_value(&a->cli, "trial"), &trial));
    if (st == LT_OK) st = lt_run_export(r, trial, &e);
    lt_run_destroy(&r);
    lt_config_free(&cfg);
    return st;
}

static const lt_cli_option options[] = {
    {"output", "DIR", "the folder to write; it must not be there, or be empty", 'o'},
    {"trial", "NAME", "the trial (needed where the run has several)", 0},
    {"checkpoint", "WHICH", "best (default), last, or a checkpoint file", 0},
    {"format", "FORMAT", "peft (default): an adapter of Hugging Face's PEFT; merged: the base model with the update\nin its weights", 0},
    {"dtype", "TYPE", "merged: f32 or bf16 for all weights (default: as the base has them)", 0},
    {"file-mb", "N", "merged: most megabytes of a file of weights (default 5000)", 0},
    {0}};

const lt_app_command lt_app_export = {
    .cli = {.program = "ltune",
            .name = "export",
            .summary = "a saved trial as an adapter of PEFT, or merged into the model",
            .usage = "RUN.yaml [--trial NAME] [--checkpoint best|last|PATH] [--format peft|merged] [--dtype f32|bf16] -o DIR [key=value ...]",
            .about =
                "peft: adapter_config.json and adapter_model.safetensors of lora, prompt and prefix trials; method.from: DIR reads them back,\n"
                "and those that PEFT wrote.  merged: a whole model folder of lora and head trials, for transformers and for model.path.\n"
                "Neither needs memory for the model; one rank does the work.\n",
            .option = options,
            .notes =
                "Where a class of transformers reads out as the trial does, the head is part of the files and its logits are ours: decoders with\n"
                "model.pool last and method.head_bias false, encoders with a pooler and model.pool cls (prompts: first), labels of tokens.\n"
                "Else the files are of the bare model, the head is in head.safetensors, and ltune.json says the formula of the logits.\n"
                "lt_prompt and lt_prefix have no form elsewhere.\n",
            .examples = "ltune export run.yaml --trial lora -o adapter\n"
                        "ltune export run.yaml --trial lora --format merged --dtype bf16 -o model-for-serving\n"
                        "ltune train run.yaml run.dir=runs/more method.from=adapter\n",
            .settings = true,
            .mpi = true},
    .run = run};
