/* LT_EMU_FAIL: a call that fails.  What can be said is in emulated.h. */
#include "device/emulated/emulated.h"
#include "device/emulated/emulated_impl.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace lt_emu {

struct failure {
    const char *what;
    lt_gpu_failure kind;
    const char *text, *name;
    bool stays; /* the device is lost with it */
};
static const failure known[] = {
    {"", LT_GPU_FAILED, "invalid argument", "cudaErrorInvalidValue", false},
    {"ecc", LT_GPU_FAILED_ECC, "uncorrectable ECC error encountered", "cudaErrorECCUncorrectable", true},
    {"xid", LT_GPU_FAILED_LAUNCH, "unspecified launch failure", "cudaErrorLaunchFailure", true},
    {"lost", LT_GPU_FAILED, "unknown error", "cudaErrorUnknown", true},
    {"oom", LT_GPU_FAILED_MEMORY, "out of memory", "cudaErrorMemoryAllocation", false},
    {"busy", LT_GPU_FAILED_BUSY, "CUDA-capable device(s) is/are busy or unavailable", "cudaErrorDevicesUnavailable", false},
    {"hang", LT_GPU_FAILED, "", "", false},
};

static struct {
    bool read, on, bad;
    char call[32];
    long rank, n, seen; /* rank -1: every one */
    const failure *f;
    bool hang;
} plan;

/* "call[:rank]:n[:what]" */
static bool parse(const char *text) {
    char copy[128], *part[5] = {};
    int n = 0, numbers = 0;
    (void)snprintf(copy, sizeof copy, "%s", text);
    for (char *p = copy; n < 5 && (part[n] = strsep(&p, ":")); n++) {}
    if (n < 2 || n > 4 || strlen(text) >= sizeof copy) return false;
    (void)snprintf(plan.call, sizeof plan.call, "%s", part[0]);
    long value[2] = {0, 0};
    int at = 1;
    for (; at < n && numbers < 2; at++, numbers++) {
        char *end;
        value[numbers] = strtol(part[at], &end, 10);
        if (end == part[at] || *end) break;
    }
    plan.rank = numbers == 2 ? value[0] : -1;
    plan.n = numbers ? value[numbers - 1] : 0;
    if (plan.n < 1 || at < n - 1) return false;
    for (const failure &f : known)
        if (strcmp(f.what, at < n ? part[at] : "") == 0) plan.f = &f;
    return plan.f != nullptr;
}

/* Before MPI is up the launcher's word counts. */
static long own_rank() {
    for (const char *name : {"OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK", "SLURM_PROCID"}) {
        const char *text = getenv(name);
        if (text && *text) return strtol(text, nullptr, 10);
    }
    return 0;
}

void read_plan() {
    const char *text = getenv("LT_EMU_FAIL");
    plan = {};
    plan.read = true;
    if (!text || !*text) return;
    plan.bad = !parse(text);
    plan.on = !plan.bad && (plan.rank < 0 || plan.rank == own_rank());
}

lt_status fault_check() {
    if (!plan.read) read_plan();
    LT_CHECK(!plan.bad, LT_ERR_ARG, "LT_EMU_FAIL is \"%s\"; known: call[:rank]:n[:ecc|xid|lost|oom|busy|hang]", getenv("LT_EMU_FAIL"));
    return LT_OK;
}

lt_status injected(const char *call) {
    if (!plan.read) read_plan();
    if (!plan.on || strcmp(call, plan.call) != 0 || ++plan.seen != plan.n) return LT_OK;
    const failure *f = plan.f;
    if (strcmp(f->what, "hang") == 0) {
        plan.hang = true;
        return LT_OK;
    }
    const lt_gpu_info *info;
    int device = device_open(&info);
    bool collective = strncmp(call, "coll_", 5) == 0 || strncmp(call, "all_", 4) == 0 || strcmp(call, "broadcast") == 0;
    if (!f->stays && collective)
        return LT_FAIL(LT_ERR_NCCL, "NCCL (emulated): %s in %s\n  what to do: parallel.collectives: mpi does without NCCL", f->text, call);
    if (!f->stays) return lt_gpu_impl_failed(f->kind, f->text, f->name, call, device, info);
    broke(f->kind, f->text, f->name, strcmp(call, "launch") == 0 ? "work that was waited for" : call);
    return strcmp(call, "launch") == 0 ? LT_OK : lost(); /* a kernel's failure is seen later */
}

bool injected_hang() {
    bool hang = plan.hang;
    plan.hang = false;
    return hang;
}

} // namespace lt_emu
