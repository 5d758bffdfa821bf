/* Start, end and making of communicators.
 *
 * Rank order.  The launcher may deal ranks out in any way (mpirun --map-by node, srun --distribution=cyclic), but tensor-parallel groups
 * must share memory, so the world is renumbered: nodes in the order of their lowest MPI rank, and inside a node by MPI rank.  Rank 0 stays
 * rank 0; under the usual launch by slot nothing changes.  Every group is cut from the world in this order, so in each communicator the
 * ranks of a node are neighbours, local rank 0 is a node's leader, and leaders ordered by node are ordered by rank.
 *
 * Without mpirun.  Open MPI's singleton start would fork a daemon that is needed for MPI_Comm_spawn only (and refuses to run as root); the
 * isolated mode does without.  A user's own setting of that variable wins.
 *
 * Environment:
 *   LT_DEADLINE_S   longest wait in a collective without progress of any rank, in seconds, default 600, 0 = for ever
 *   LT_FAKE_NODES   tests only: "k" pretends that every k consecutive ranks of a host are a node, "k:cyclic" deals the ranks out over nodes
 *                   of at most k in turn.  The path between hosts is so tested on one. */
#include "comm/comm_impl.h"

#include "base/log.h"
#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static lt_comm *the_world; /* MPI starts once a process, so there is one */

/* Node index, local rank and leaders from the node numbers of all ranks. */
static lt_status find_nodes(lt_comm *c, int node) {
    int *number = NULL;
    LT_TRY(lt_calloc(&number, c->size, sizeof *number, "node numbers"));
    int rc = MPI_Allgather(&node, 1, MPI_INT, number, 1, MPI_INT, c->mpi);
    for (int r = 0; r < c->size; r++) {
        if (r > 0) c->node_of[r] = c->node_of[r - 1] + (number[r] != number[r - 1]);
        if (number[r] != node) continue;
        if (r < c->rank) c->local_rank++;
        c->local_size++;
    }
    free(number);
    LT_MPI(rc);
    c->n_nodes = c->node_of[c->size - 1] + 1;
    c->node = c->node_of[c->rank];
    c->local = c->mpi;
    if (c->n_nodes == 1) return LT_OK;
    LT_MPI(MPI_Comm_split(c->mpi, c->node, c->rank, &c->local));
    LT_MPI(MPI_Comm_split(c->mpi, c->local_rank == 0 ? 0 : MPI_UNDEFINED, c->rank, &c->leaders));
    return LT_OK;
}

static lt_status fill(lt_comm *c, int world_rank, int node) {
    LT_MPI(MPI_Comm_rank(c->mpi, &c->rank));
    LT_MPI(MPI_Comm_size(c->mpi, &c->size));
    LT_TRY(lt_calloc(&c->node_of, c->size, sizeof *c->node_of, "nodes of ranks"));
    LT_TRY(lt_calloc(&c->world_rank, c->size, sizeof *c->world_rank, "world ranks"));
    if (world_rank < 0) world_rank = c->rank;
    LT_MPI(MPI_Allgather(&world_rank, 1, MPI_INT, c->world_rank, 1, MPI_INT, c->mpi));
    return find_nodes(c, node);
}

lt_status lt_comm_impl_create(const char *name, MPI_Comm mpi, int world_rank, int node, const lt_comm *like, lt_comm **out) {
    lt_comm *c = NULL;
    lt_status st = lt_calloc(&c, 1, sizeof *c, "a communicator");
    if (st != LT_OK) {
        MPI_Comm_free(&mpi);
        return lt_err_trace(st, __FILE__, __LINE__, __func__);
    }
    if (like) *c = *like;
    c->name = name;
    c->mpi = mpi;
    c->local = c->leaders = MPI_COMM_NULL;
    c->node_of = c->world_rank = NULL;
    c->local_rank = c->local_size = c->tp = 0;
    c->owns_mpi = false;
    c->chunk_bytes = (size_t)1 << 30;
    c->stats = (lt_comm_stats){0};
    c->gpu = NULL;
    c->coll = NULL;
    if (!c->root) c->root = c;
    LT_TRY_GOTO(fill(c, world_rank, node), st, fail);
    *out = c;
    return LT_OK;
fail:
    lt_comm_impl_destroy(&c);
    return st;
}

/* Failures of freeing are of no use to anyone: the process goes on without the communicator either way. */
void lt_comm_impl_destroy(lt_comm **cp) {
    lt_comm *c = *cp;
    if (!c) return;
    lt_comm_impl_gpu_fini(c);
    if (c->leaders != MPI_COMM_NULL) (void)MPI_Comm_free(&c->leaders);
    if (c->local != MPI_COMM_NULL && c->local != c->mpi) (void)MPI_Comm_free(&c->local);
    (void)MPI_Comm_free(&c->mpi);
    free(c->world_rank);
    free(c->node_of);
    free(c);
    *cp = NULL;
}

/* host: this rank's host as MPI can share memory on it, or the part of it that LT_FAKE_NODES makes; number: its lowest rank in all. */
static lt_status split_hosts(MPI_Comm all, MPI_Comm *host, lt_comm *settings, int *number) {
    int rank, host_rank, per_node = 0, used = 0, part = 0;
    const char *fake = getenv("LT_FAKE_NODES");
    LT_MPI(MPI_Comm_rank(all, &rank));
    LT_MPI(MPI_Comm_split_type(all, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, host));
    LT_MPI(MPI_Comm_rank(*host, &host_rank));
    LT_MPI(MPI_Comm_size(*host, &settings->host_ranks));
    if (gethostname(settings->host, LT_HOST_BYTES - 16) != 0) strcpy(settings->host, "unknown");
    settings->host[LT_HOST_BYTES - 17] = 0;
    if (fake && sscanf(fake, "%d%n", &per_node, &used) == 1 && per_node > 0) {
        MPI_Comm node;
        size_t len = strlen(settings->host);
        part = !strcmp(fake + used, ":cyclic") ? host_rank % ((settings->host_ranks + per_node - 1) / per_node) : host_rank / per_node;
        snprintf(settings->host + len, sizeof settings->host - len, "#%d", part);
        LT_MPI(MPI_Comm_split(*host, part, rank, &node));
        *number = rank;
        int rc = MPI_Bcast(number, 1, MPI_INT, 0, node);
        (void)MPI_Comm_free(&node);
        LT_MPI(rc);
        return LT_OK;
    }
    *number = rank;
    LT_MPI(MPI_Bcast(number, 1, MPI_INT, 0, *host));
    return LT_OK;
}

/* Are there cores for all ranks of the host, and how many for this one? */
static lt_status share_cores(MPI_Comm host, lt_comm *settings) {
    lt_cores mine, physical, together, *all = NULL; /* all: first hardware threads, then physical cores */
    int n = settings->host_ranks;
    LT_TRY(lt_calloc(&all, n, sizeof *all, "core masks"));
    lt_cores_read(&mine);
    lt_cores_physical(&mine, LT_CPU_FOLDER, &physical);
    together = mine;
    int rc = MPI_Allgather(&mine, sizeof mine, MPI_BYTE, all, sizeof mine, MPI_BYTE, host);
    for (int r = 0; r < n; r++) lt_cores_add(&together, &all[r]);
    if (rc == MPI_SUCCESS) rc = MPI_Allgather(&physical, sizeof physical, MPI_BYTE, all, sizeof physical, MPI_BYTE, host);
    settings->crowded = n > lt_cores_count(&together);
    settings->threads = lt_cores_share(&physical, all, n);
    free(all);
    LT_MPI(rc);
    return LT_OK;
}

static lt_status read_deadline(double *deadline_s) {
    char *end;
    const char *text = getenv("LT_DEADLINE_S");
    *deadline_s = 600;
    if (!text || !*text) return LT_OK;
    double value = strtod(text, &end);
    LT_CHECK(*end == 0 && value >= 0 && value < 1e9, LT_ERR_ARG, "LT_DEADLINE_S is \"%s\": expected seconds, or 0 to wait for ever", text);
    *deadline_s = value;
    return LT_OK;
}

/* The renumbered world with all its settings. */
static lt_status make_world(lt_comm **out) {
    lt_comm settings = {0};
    MPI_Comm all = MPI_COMM_NULL, host = MPI_COMM_NULL, ordered = MPI_COMM_NULL;
    lt_status st = LT_OK;
    int number = 0, rc = MPI_Comm_dup(MPI_COMM_WORLD, &all);
    if (rc == MPI_SUCCESS) rc = MPI_Comm_set_errhandler(all, MPI_ERRORS_RETURN); /* inherited by all that is cut from it */
    if (rc == MPI_SUCCESS) rc = MPI_Comm_size(all, &settings.world_size);
    if (rc != MPI_SUCCESS) st = lt_comm_impl_mpi_error(rc, "MPI_Comm_dup", __FILE__, __LINE__, __func__);
    if (st == LT_OK) st = split_hosts(all, &host, &settings, &number);
    if (st == LT_OK) st = share_cores(host, &settings);
    /* ties of the key fall to the old rank */
    if (st == LT_OK && (rc = MPI_Comm_split(all, 0, number, &ordered)) != MPI_SUCCESS)
        st = lt_comm_impl_mpi_error(rc, "MPI_Comm_split", __FILE__, __LINE__, __func__);
    if (st == LT_OK) st = lt_comm_impl_create("world", ordered, -1, number, &settings, out);
    if (host != MPI_COMM_NULL) (void)MPI_Comm_free(&host);
    if (all != MPI_COMM_NULL) (void)MPI_Comm_free(&all);
    return st;
}

static int env_int(const char *name) {
    const char *text = getenv(name);
    return text ? atoi(text) : 0;
}

/* A launcher that started N tasks which MPI does not know of each other: N runs over the same files.  Slurm's step says how many tasks it has; tasks of
 * Open MPI's own mpirun (whose daemons run as such a step) know their world's size. */
static lt_status check_singleton(const lt_comm *c) {
    int tasks = getenv("SLURM_STEP_ID") ? env_int("SLURM_STEP_NUM_TASKS") : 0;
    if (c->size > 1 || tasks < 2 || getenv("OMPI_COMM_WORLD_SIZE")) return LT_OK;
    lt_status st =
        LT_FAIL(LT_ERR_MPI,
                "srun started %d tasks, but MPI sees each of them alone: srun and Open MPI share no process management interface\n"
                "  what to do: srun --mpi=pmix (see `srun --mpi=list`), or start the program by mpirun inside the allocation",
                tasks);
    lt_err_last()->origin_rank = env_int("SLURM_PROCID") == 0 ? 0 : 1; /* each is rank 0 of its own world: the first one speaks */
    return st;
}

lt_status lt_comm_init(int *argc, char ***argv, lt_comm **world) {
    int started = 0, provided = 0;
    lt_comm *c = NULL;
    if (the_world) {
        *world = the_world;
        return LT_OK;
    }
    LT_MPI(MPI_Initialized(&started));
    if (!started) {
        (void)setenv("OMPI_MCA_ess_singleton_isolated", "1", 0);
        LT_MPI(MPI_Init_thread(argc, argv, MPI_THREAD_FUNNELED, &provided));
    } else {
        LT_MPI(MPI_Query_thread(&provided));
    }
    LT_CHECK(provided >= MPI_THREAD_FUNNELED, LT_ERR_MPI, "this MPI library does not allow threads beside it (level %d, need %d)", provided,
             MPI_THREAD_FUNNELED);
    LT_TRY(make_world(&c));
    c->owns_mpi = !started;
    lt_status st = lt_agree(c, read_deadline(&c->deadline_s));
    if (st == LT_OK) st = check_singleton(c);
    if (st == LT_OK) st = lt_comm_impl_board_create(c);
    if (st != LT_OK) {
        lt_comm_fini(&c);
        return lt_err_trace(st, __FILE__, __LINE__, __func__);
    }
    *world = the_world = c;
    return LT_OK;
}

void lt_comm_fini(lt_comm **world) {
    if (!*world) return;
    bool owns_mpi = (*world)->owns_mpi;
    lt_comm_impl_board_destroy(*world);
    lt_comm_impl_destroy(world);
    the_world = NULL;
    if (owns_mpi) (void)MPI_Finalize();
}

int lt_comm_rank(const lt_comm *c) { return c->rank; }
void lt_comm_local(const lt_comm *c, int *rank, int *size) {
    *rank = c->local_rank;
    *size = c->local_size;
}

int lt_comm_size(const lt_comm *c) { return c->size; }

int lt_comm_node(const lt_comm *c, int rank) { return c->node_of[rank]; }

const char *lt_comm_host(const lt_comm *c) { return c->host; }

void lt_comm_get_stats(const lt_comm *c, lt_comm_stats *out) { *out = c->stats; }
