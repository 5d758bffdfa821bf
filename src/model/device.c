/* Which device a process computes on; see device.h. */
#include "model/device.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *lt_device_word(const lt_device *d) { return d->ops->name; }

/* What a rank sees. */
typedef struct sight {
    int count;
    char host[96], why[400];
} sight;

static lt_status find_table(lt_device_kind want, const lt_ops **ops) {
    const char *given = getenv("LT_OPS");
    if (given && *given) {
        *ops = lt_ops_by_name(given);
        LT_CHECK(*ops, LT_ERR_ARG, "LT_OPS is \"%s\"; known: cpu, guard, ref, and where they are built cuda, cuda-emulated", given);
        return LT_OK;
    }
    *ops = want == LT_DEVICE_EMULATED                         ? lt_ops_cuda_emulated()
           : want == LT_DEVICE_CUDA || want == LT_DEVICE_AUTO ? lt_ops_cuda()
                                                              : lt_ops_cpu();
    if (!*ops && want == LT_DEVICE_AUTO) *ops = lt_ops_cpu();
    LT_CHECK(
        *ops, LT_ERR_CONFIG,
        "run.device: %s is not in this program\n  what to do: configure with -DLT_CUDA=%s, or set run.device: cpu (`ltune version` shows "
        "what is built in)",
        want == LT_DEVICE_CUDA ? "cuda" : "cuda-emulated", want == LT_DEVICE_CUDA ? "ON" : "EMULATE");
    return LT_OK;
}

/* Collective(world).  Whether all ranks have a device; with auto, none has one is no failure. */
static lt_status look(lt_comm *world, const lt_gpu *gpu, bool automatic, int *count, bool *there) {
    sight mine = {0}, *all = NULL;
    int with = 0, without = -1;
    lt_status st = gpu->count(&mine.count, mine.why, sizeof mine.why);
    (void)snprintf(mine.host, sizeof mine.host, "%s", lt_comm_host(world));
    if (st == LT_OK) st = lt_calloc(&all, lt_comm_size(world), sizeof *all, "devices of ranks");
    if ((st = lt_agree(world, st)) != LT_OK) {
        free(all);
        return st;
    }
    lt_allgather_host(world, &mine, sizeof mine, all);
    for (int r = lt_comm_size(world) - 1; r >= 0; r--) {
        with += all[r].count > 0;
        if (all[r].count == 0) without = r;
    }
    *count = mine.count;
    *there = without < 0;
    if (without >= 0 && automatic && with == 0) {
        lt_info("run.device auto: cpu, because %s", all[without].why);
    } else if (without >= 0) {
        st = LT_FAIL(
            LT_ERR_CUDA,
            "rank %d on %s has no GPU%s: %s\n  what to do: give every rank one (sbatch --gpus-per-node with --gpu-bind=none), or set "
            "run.device: cpu",
            without, all[without].host, with > 0 ? " and others have one" : "", all[without].why);
    }
    free(all);
    return st;
}

lt_status lt_device_open(lt_comm *world, lt_device_kind want, bool open, lt_device *d) {
    int count = 0, local, local_size;
    bool there = true;
    *d = (lt_device){.index = -1};
    LT_TRY(lt_agree(world, find_table(want, &d->ops)));
    if (!d->ops->gpu) return LT_OK;
    if (!open && want != LT_DEVICE_AUTO) return LT_OK;
    LT_TRY(look(world, d->ops->gpu, want == LT_DEVICE_AUTO && !getenv("LT_OPS"), &count, &there));
    if (!there) {
        d->ops = lt_ops_cpu();
        return LT_OK;
    }
    if (!open) return LT_OK;
    lt_comm_local(world, &local, &local_size);
    d->index = count == 1 ? 0 : local % count;
    return lt_agree(world, d->ops->gpu->open(d->index, &d->info));
}

lt_status lt_device_ranks(lt_comm *world, const lt_device *d, int *ranks) {
    struct place {
        char host[96], uuid[sizeof d->info.uuid];
    } mine = {0}, *all = NULL;
    LT_TRY(lt_agree(world, lt_calloc(&all, lt_comm_size(world), sizeof *all, "devices of ranks")));
    (void)snprintf(mine.host, sizeof mine.host, "%s", lt_comm_host(world));
    memcpy(mine.uuid, d->info.uuid, sizeof mine.uuid);
    lt_allgather_host(world, &mine, sizeof mine, all);
    *ranks = 0;
    for (int r = 0; r < lt_comm_size(world); r++) *ranks += strcmp(all[r].host, mine.host) == 0 && strcmp(all[r].uuid, mine.uuid) == 0;
    free(all);
    return LT_OK;
}

lt_status lt_device_describe(lt_comm *world, const lt_device *d, char **text) {
    enum { LINE = 224 };
    char line[LINE] = "", *all = NULL;
    int size = lt_comm_size(world);
    lt_status st = lt_calloc(&all, size, LINE, "devices of ranks");
    if (st == LT_OK) st = lt_calloc(text, (int64_t)size * LINE + 1, 1, "devices of ranks");
    if ((st = lt_agree(world, st)) != LT_OK) {
        free(all);
        return st;
    }
    if (d->index >= 0)
        (void)snprintf(line, sizeof line, "  rank %d on %.60s: %s %d, %s, %s, %.0f GB, %d SMs, capability %d.%d\n", lt_comm_rank(world),
                       lt_comm_host(world), d->ops->name, d->index, d->info.name, d->info.bus_id, (double)d->info.memory * 1e-9,
                       d->info.sms, d->info.major, d->info.minor);
    lt_allgather_host(world, line, LINE, all);
    for (int r = 0; r < size; r++) strcat(*text, all + (size_t)r * LINE);
    free(all);
    return LT_OK;
}
