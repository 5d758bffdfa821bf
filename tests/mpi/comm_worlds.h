#pragma once
/* Worlds for the tests of comm: the real one, and the same ranks dealt out over pretended nodes, so that the path between hosts runs on one
 * host.  The test starts MPI itself, so that lt_comm_init and lt_comm_fini may be called once a world. */
#define LT_TEST_MPI
#include "lt_test.h"

#include "comm/comm_impl.h"

#include <time.h>
#include <unistd.h>

typedef struct world_spec {
    const char *fake; /* LT_FAKE_NODES; NULL = unset */
    int per_node;     /* ranks of a node; 0 = all */
    bool cyclic;
} world_spec;

static const world_spec world_specs[] = {{NULL, 0, false}, {"1", 1, false}, {"2", 2, false}, {"3", 3, false}, {"2:cyclic", 2, true}};
enum { N_WORLDS = sizeof world_specs / sizeof *world_specs };

/* Collective.  The world of one entry, or NULL with a failure counted. */
static inline lt_comm *world_open(const world_spec *spec) {
    lt_comm *world = NULL;
    if (spec->fake) {
        (void)setenv("LT_FAKE_NODES", spec->fake, 1);
    } else {
        (void)unsetenv("LT_FAKE_NODES");
    }
    CHECK_OK(lt_comm_init(NULL, NULL, &world));
    return world;
}

static inline const char *world_name(const world_spec *spec) { return spec->fake ? spec->fake : "real"; }

/* Ranks of every node as the entry asks for, in node order; returns the number of nodes. */
static inline int world_nodes(const world_spec *spec, int size, int *count) {
    int nodes = spec->per_node ? (size + spec->per_node - 1) / spec->per_node : 1;
    for (int i = 0; i < nodes; i++) count[i] = 0;
    for (int r = 0; r < size; r++) count[spec->cyclic ? r % nodes : spec->per_node ? r / spec->per_node : 0]++;
    return nodes;
}

static inline void test_sleep_us(long us) {
    (void)nanosleep(&(struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000}, NULL);
}

/* Collective(MPI_COMM_WORLD).  x is the same on all ranks. */
static inline bool same_everywhere(uint64_t x) {
    uint64_t lo = 0, hi = 0;
    MPI_Allreduce(&x, &lo, 1, MPI_UINT64_T, MPI_MIN, MPI_COMM_WORLD);
    MPI_Allreduce(&x, &hi, 1, MPI_UINT64_T, MPI_MAX, MPI_COMM_WORLD);
    return lo == hi;
}

/* FNV-1a of some bytes. */
static inline uint64_t hash_bytes(const void *data, size_t n) {
    const unsigned char *p = data;
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++) h = (h ^ p[i]) * 1099511628211u;
    return h;
}
