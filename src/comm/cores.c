/* Sets of cores.  Read from sched_getaffinity, which knows of mpirun's and srun's binding, of cpusets and containers (but not of cgroup
 * time quotas).  A wide fixed mask instead of cpu_set_t: that one ends at core 1023.
 *
 * The kernel numbers hardware threads, of which a physical core may have several.  Matrix products keep the arithmetic units of a core busy with one
 * thread; a second one only takes its cache, so threads are counted by physical cores.  A physical core goes by the number of its lowest hardware thread,
 * whether the process may run on that or not: so two processes on sibling threads are seen to share a core. */
#include "comm/comm_impl.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_CORES = 8 * LT_CORE_MASK_BYTES };

static bool has(const lt_cores *c, int core) { return c->mask[core / 8] >> (core % 8) & 1; }

void lt_cores_read(lt_cores *c) {
    cpu_set_t *set = CPU_ALLOC(MAX_CORES);
    memset(c, 0, sizeof *c);
    if (set && sched_getaffinity(0, sizeof c->mask, set) == 0) {
        for (int i = 0; i < MAX_CORES; i++)
            if (CPU_ISSET_S((size_t)i, sizeof c->mask, set)) c->mask[i / 8] = (unsigned char)(c->mask[i / 8] | 1 << (i % 8));
    } else { /* not known: as if unbound */
        long online = sysconf(_SC_NPROCESSORS_ONLN);
        for (int i = 0; i < online && i < MAX_CORES; i++) c->mask[i / 8] = (unsigned char)(c->mask[i / 8] | 1 << (i % 8));
    }
    CPU_FREE(set);
}

/* The lowest sibling of a hardware thread; itself where nothing is known. */
static int physical_core(const char *folder, int core) {
    char path[4096], line[64] = "", *end = line;
    (void)snprintf(path, sizeof path, "%s/cpu%d/topology/thread_siblings_list", folder, core);
    FILE *f = fopen(path, "r"); /* "0,64" or "0-1": in rising order */
    if (!f) return core;
    bool read = fgets(line, sizeof line, f) != NULL;
    (void)fclose(f);
    long lowest = strtol(line, &end, 10);
    return read && end != line && lowest >= 0 && lowest < core ? (int)lowest : core;
}

void lt_cores_physical(const lt_cores *c, const char *folder, lt_cores *physical) {
    lt_cores out = {{0}};
    for (int i = 0; i < MAX_CORES; i++) {
        if (!has(c, i)) continue;
        int core = physical_core(folder, i);
        out.mask[core / 8] = (unsigned char)(out.mask[core / 8] | 1 << (core % 8));
    }
    *physical = out;
}

int lt_cores_share(const lt_cores *mine, const lt_cores all[], int n) {
    int sharers = 0;
    for (int r = 0; r < n; r++) sharers += lt_cores_meet(mine, &all[r]);
    int threads = sharers ? lt_cores_count(mine) / sharers : 1;
    return threads > 0 ? threads : 1;
}

int lt_cores_count(const lt_cores *c) {
    int n = 0;
    for (int i = 0; i < LT_CORE_MASK_BYTES; i++) n += __builtin_popcount(c->mask[i]);
    return n;
}

void lt_cores_add(lt_cores *c, const lt_cores *other) {
    for (int i = 0; i < LT_CORE_MASK_BYTES; i++) c->mask[i] |= other->mask[i];
}

bool lt_cores_meet(const lt_cores *a, const lt_cores *b) {
    for (int i = 0; i < LT_CORE_MASK_BYTES; i++)
        if (a->mask[i] & b->mask[i]) return true;
    return false;
}

bool lt_cores_inside(const lt_cores *a, const lt_cores *b) {
    for (int i = 0; i < LT_CORE_MASK_BYTES; i++)
        if (a->mask[i] & ~b->mask[i]) return false;
    return true;
}

const char *lt_cores_str(const lt_cores *c, char *text, size_t bytes) {
    size_t at = 0;
    text[0] = 0;
    for (int i = 0; i < MAX_CORES; i++) {
        if (!has(c, i)) continue;
        int last = i;
        while (last + 1 < MAX_CORES && has(c, last + 1)) last++;
        if (at + 20 > bytes) { /* room for one more range and the dots */
            (void)snprintf(text + at, bytes - at, ",...");
            break;
        }
        at += (size_t)snprintf(text + at, bytes - at, last > i ? "%s%d-%d" : "%s%d", at ? "," : "", i, last);
        i = last;
    }
    return text;
}

int lt_comm_default_threads(const lt_comm *c, int wanted) {
    const char *omp = getenv("OMP_NUM_THREADS");
    if (wanted > 0) return wanted;
    int n = omp ? atoi(omp) : 0; /* "4" or "4,2": the outer level counts */
    return n > 0 ? n : c->threads;
}
