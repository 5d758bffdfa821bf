/* What a run computes on (run.device), and in what type (model.dtype).
 *
 * The type:
 * As the configuration says.  For auto, as the run's checkpoints say, if it has any: its numbers depend on the type, so that a run that goes on, its
 * evaluations and its plan compute as it began.  Else bf16 on GPUs, and on CPUs by the clock (kernels/cpu.h): rank 0 measures for all, whose CPUs have one
 * level. */
#include "train/run_impl.h"

#include "base/log.h"
#include "kernels/cpu.h"

#include <string.h>

enum { PROBE_ROWS = 512 };

/* Rank 0: r->dtype unless it is known, and the speed that a plan foretells with. */
static lt_status measure(lt_run *r, bool known) {
    lt_arch arch;
    double f32 = 0, bf16 = 0;
    LT_TRY(lt_arch_read(r->cfg->model.path, &arch));
    LT_TRY(lt_arch_check_tp(&arch, r->cfg->parallel.tp));
    int64_t N = lt_arch_cut(&arch, r->cfg->parallel.tp, 0).F;
    if (known) return lt_cpu_probe_speed(r->threads, PROBE_ROWS, N, arch.C, r->dtype == LT_F32 ? LT_F32 : LT_BF16, &r->estimate.gflops);
    LT_TRY(lt_cpu_probe_dtype(r->threads, PROBE_ROWS, N, arch.C, &r->dtype, &f32, &bf16));
    r->estimate.gflops = r->dtype == LT_BF16 ? bf16 : f32;
    lt_info("dtype auto: f32 %.0f, bf16 %.0f GFLOP/s here: %s", f32, bf16, lt_dtype_name(r->dtype));
    return LT_OK;
}

lt_dtype lt_dtype_of_cfg(int word) { return word == LT_DTYPE_CFG_FP8 ? LT_E4M3 : word == LT_DTYPE_CFG_BF16 ? LT_BF16 : LT_F32; }

const char *lt_dtype_word(lt_dtype dt) { return dt == LT_E4M3 ? "fp8" : lt_dtype_name(dt); }

lt_status lt_run_impl_choose_device(lt_run *r) {
    lt_comm *world = r->grid.world;
    lt_device_kind want = (lt_device_kind)r->cfg->run.device;
    bool plan = r->purpose == LT_RUN_PLAN;
    if (r->purpose == LT_RUN_EXPORT) want = LT_DEVICE_CPU; /* reads and writes files */
    LT_TRY(lt_device_open(world, want, !plan, &r->device));
    const char *before = r->folder.resume_device, *now = lt_device_word(&r->device);
    if (r->purpose == LT_RUN_TRAIN && before[0] && strcmp(before, now) != 0)
        lt_warn("%s was computed on %s and this goes on on %s: numbers agree to rounding, not to the bit (run.device)",
                r->folder.resume_path, before, now);
    return LT_OK;
}

/* Rank 0 of a GPU has nothing to measure. */
static bool on_gpu(const lt_run *r) { return r->device.ops->gpu != NULL; }

lt_status lt_run_impl_choose_dtype(lt_run *r) {
    lt_comm *world = r->grid.world;
    bool told = r->cfg->model.dtype != LT_DTYPE_CFG_AUTO, stored = !told && r->folder.resume_path;
    r->dtype = stored ? r->folder.resume_dtype : lt_dtype_of_cfg(r->cfg->model.dtype);
    if (stored) lt_info("dtype auto: %s, as in %s", lt_dtype_word(r->dtype), r->folder.resume_path);
    if (!told && !stored && on_gpu(r)) {
        r->dtype = LT_BF16;
        lt_info("dtype auto: bf16 on %s", lt_device_word(&r->device));
    }
    if (on_gpu(r) || ((told || stored) && r->purpose != LT_RUN_PLAN)) return LT_OK;
    LT_TRY(lt_agree(world, lt_comm_rank(world) == 0 ? measure(r, told || stored) : LT_OK));
    lt_bcast_host(world, &r->dtype, sizeof r->dtype, 0);
    return LT_OK;
}
