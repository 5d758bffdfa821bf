/* From a configuration to a run that can step: data, compute type, model, trials, sizes, memory, weights.
 *
 * Local work that may fail is gathered in functions without communication; an agreement follows each.  Between the long parts a signal is looked for: nothing
 * is trained yet, so there is nothing to save. */
#include "train/run_impl.h"

#include "base/fault.h"
#include "base/log.h"
#include "base/mem.h"
#include "kernels/cpu.h"

#include <stdlib.h>
#include <string.h>

static lt_status open_model(lt_run *r) {
    const lt_config *c = r->cfg;
    lt_arch arch;
    int *both = NULL;
    lt_status st = lt_arch_read(c->model.path, &arch);
    if (st == LT_OK && c->model.bidirectional != LT_BIDIRECTIONAL_AUTO) {
        st = lt_calloc(&both, arch.m, sizeof *both, "mask modes");
        for (int l = 0; st == LT_OK && l < arch.m; l++) both[l] = c->model.bidirectional == LT_BIDIRECTIONAL_ALL;
        for (int i = 0; st == LT_OK && i < c->model.n_bidirectional_layers; i++) {
            int l = c->model.bidirectional_layers[i];
            if (l < 0 || l >= arch.m)
                st = LT_FAIL(LT_ERR_CONFIG, "model.bidirectional: there is no layer %d: this model has %d layers, 0 to %d", l, arch.m,
                             arch.m - 1);
            else
                both[l] = 1;
        }
    }
    if (st == LT_OK) st = lt_arch_check_tp(&arch, r->grid.tp_size);
    /* what a plan foretells is the rank that has most */
    if (st == LT_OK && r->purpose == LT_RUN_PLAN) (void)lt_arch_widest(&arch, r->grid.tp_size, &r->grid.tp_rank);
    st = lt_agree(r->grid.world, st);
    /* all or none: ranks may see paths differently */
    if (st == LT_OK && (r->purpose == LT_RUN_TRAIN || r->purpose == LT_RUN_PLAN))
        r->gpta.shares_model = lt_max_host(r->grid.world, !lt_run_impl_gpta_shares(r, &arch)) == 0;
    if (st == LT_OK)
        st = lt_model_create(c->model.path, &r->grid,
                             &(lt_model_options){.compute = r->dtype,
                                                 .keep_blocks = r->cfg->model.fp8_keep,
                                                 .threads = r->threads,
                                                 .bidirectional = both,
                                                 .head = r->purpose == LT_RUN_GENERATE || r->gpta.shares_model,
                                                 .ops = r->device.ops,
                                                 .overlap = r->cfg->parallel.overlap,
                                                 .sizes_only = r->purpose == LT_RUN_PLAN && r->device.ops->gpu},
                             &r->model);
    free(both);
    return st;
}

/* Collective(world).  Memory of the model, then its weights. */
static lt_status load_model(lt_run *r, const lt_model_limits *limits) {
    LT_TRY(lt_model_plan(r->model, limits));
    LT_TRY(lt_run_impl_step_connect(r));
    LT_TRY(lt_model_load(r->model));
    return lt_run_impl_tune(r);
}

static lt_status check_stop(lt_run *r) {
    return r->purpose == LT_RUN_TRAIN
               ? lt_run_impl_check_stop(r->grid.world, "while the run was set up: nothing was trained; run the same command again to start")
               : LT_OK;
}

lt_status lt_run_impl_setup(lt_run *r) {
    lt_model_limits limits;
    lt_comm *world = r->grid.world;
    char text[512], *gpus = NULL;
    LT_TRY(lt_agree(world, lt_run_impl_data_open(&r->data, r->cfg)));
    LT_TRY(check_stop(r));
    /* one number for all: updates are mirrored, and the bits of a matrix product depend on its threads */
    r->threads = (int)-lt_max_host(world, -lt_comm_default_threads(world, r->cfg->parallel.threads));
    LT_TRY(lt_run_impl_choose_device(r));
    if (r->purpose != LT_RUN_EXPORT) LT_TRY(lt_run_impl_choose_dtype(r));
    LT_TRY(open_model(r));
    LT_TRY(lt_agree(world, lt_run_impl_trials_create(r)));
    if (r->purpose == LT_RUN_EXPORT) return LT_OK;
    LT_TRY(check_stop(r));
    LT_TRY(lt_run_impl_gpta_measure_assistant(r));
    LT_TRY(lt_run_impl_find_tokens(r));
    LT_TRY(lt_agree(world, lt_run_impl_sizes(r, &limits)));
    lt_arch_describe(lt_model_arch(r->model), text, sizeof text);
    lt_info("model %s: %s", r->cfg->model.path, text);
    lt_arch_describe_cut(lt_model_arch(r->model), r->grid.tp_size, text, sizeof text);
    if (text[0] && r->purpose != LT_RUN_PLAN) lt_info("tensor parallel, uneven: %s", text);
    LT_TRY(lt_agree(world, lt_model_measure(r->model, &limits)));
    lt_run_impl_estimate(r);
    if (r->purpose == LT_RUN_PLAN) return LT_OK;
    LT_TRY(lt_comm_describe(world, r->threads, &r->layout));
    LT_TRY(lt_device_describe(world, &r->device, &gpus));
    if (gpus[0]) gpus[strlen(gpus) - 1] = 0; /* the log ends its lines itself */
    lt_info("layout: tp %d x dp %d, kernels for %s\n%s%s%s", r->grid.tp_size, r->grid.dp_size,
            r->device.ops->gpu ? lt_device_word(&r->device) : lt_cpu_level_name(lt_cpu_level_now()), r->layout, gpus[0] ? "\n" : "", gpus);
    free(gpus);
    lt_run_impl_print_memory(r);
    LT_TRY(lt_agree(world, lt_run_impl_check_memory(r)));
    LT_TRY(load_model(r, &limits));
    return check_stop(r);
}

void lt_run_impl_teardown(lt_run *r) {
    if (r->model) lt_run_impl_step_fini(r);
    lt_run_impl_gpta_fini(r);
    lt_run_impl_bank_fini(&r->bank);
    lt_run_impl_trials_destroy(r);
    lt_model_destroy(&r->model);
    lt_run_impl_data_close(&r->data);
    lt_run_impl_folder_fini(&r->folder);
    free(r->products);
    free(r->layout);
    free(r->settings);
}
