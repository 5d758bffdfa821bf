/* How the ranks lie: one line in all, one a node, and a warning where more threads than cores meet.
 *
 * Overload.  A set of cores is overloaded if the ranks that may run nowhere else have more threads than it has cores.  That one test finds
 * ranks pinned to one core with several threads each (mpirun binds to cores by default), several ranks on the same core, and plain
 * oversubscription.  If other cores of the node are free, the launcher's binding is to blame, else the counts.
 *
 * OpenMP's own binding (OMP_PROC_BIND, OMP_PLACES) narrows the first thread's mask before main begins; the masks then say nothing about the
 * process and no warning is given. */
#include "comm/comm_impl.h"

#include "base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LIST_RANKS = 8, TEXT_BYTES = 160 };

typedef struct rank_info {
    char host[LT_HOST_BYTES];
    lt_cores cores;
    int32_t online, omp_binds;
} rank_info;

/* Ranks [first, end) of one node. */
typedef struct node_view {
    const rank_info *info; /* [end - first] */
    int first, end;
    lt_cores all;
    bool same; /* every rank has the same cores */
} node_view;

static void read_mine(const lt_comm *c, rank_info *mine) {
    const char *bind = getenv("OMP_PROC_BIND");
    memset(mine, 0, sizeof *mine);
    memcpy(mine->host, c->host, sizeof mine->host);
    lt_cores_read(&mine->cores);
    mine->online = (int32_t)sysconf(_SC_NPROCESSORS_ONLN);
    mine->omp_binds = (bind && strcasecmp(bind, "false") != 0) || getenv("OMP_PLACES") || getenv("GOMP_CPU_AFFINITY");
}

static node_view view_node(const lt_comm *c, const rank_info *info, int first) {
    node_view v = {.info = info + first, .first = first, .end = first, .all = info[first].cores, .same = true};
    while (v.end < c->size && c->node_of[v.end] == c->node_of[first]) {
        const lt_cores *its = &info[v.end++].cores;
        v.same = v.same && lt_cores_inside(its, &v.all) && lt_cores_inside(&v.all, its);
        lt_cores_add(&v.all, its);
    }
    return v;
}

static void print_node(FILE *f, const node_view *v) {
    char text[TEXT_BYTES];
    int n = v->end - v->first, cores = lt_cores_count(&v->all);
    fprintf(f, "\n  %s: ", v->info[0].host);
    fprintf(f, n > 1 ? "ranks %d-%d, " : "rank %d, ", v->first, v->end - 1);
    fprintf(f, cores > 1 ? "cores %s" : "core %s", lt_cores_str(&v->all, text, sizeof text));
    if (n == 1 || n > LIST_RANKS || v->same) return;
    for (int r = 0; r < n; r++)
        fprintf(f, "%srank %d on %s", r ? ", " : " (", v->first + r, lt_cores_str(&v->info[r].cores, text, sizeof text));
    fputc(')', f);
}

/* Ranks that may run on no core outside this set. */
static int ranks_inside(const node_view *v, const lt_cores *set) {
    int n = 0;
    for (int r = 0; r < v->end - v->first; r++) n += lt_cores_inside(&v->info[r].cores, set);
    return n;
}

/* Finds the most overloaded set of cores among all and each rank's; false if there is none. */
static bool find_overload(const node_view *v, int threads, const lt_cores **worst, int *ranks) {
    double worst_load = 1;
    *worst = NULL;
    for (int r = -1; r < v->end - v->first; r++) {
        const lt_cores *set = r < 0 ? &v->all : &v->info[r].cores;
        int cores = lt_cores_count(set), inside = ranks_inside(v, set);
        double load = (double)inside * threads / (cores ? cores : 1);
        if (load <= worst_load) continue;
        worst_load = load;
        *worst = set;
        *ranks = inside;
    }
    return *worst != NULL;
}

static void print_warning(FILE *f, const node_view *v, int threads, const lt_cores *set, int ranks) {
    char text[TEXT_BYTES];
    int cores = lt_cores_count(set);
    fprintf(f, "\n  warning: %s: %d thread%s of %d rank%s share core%s %s", v->info[0].host, ranks * threads,
            ranks * threads > 1 ? "s" : "", ranks, ranks > 1 ? "s" : "", cores > 1 ? "s" : "", lt_cores_str(set, text, sizeof text));
    if (cores < v->info[0].online)
        fprintf(f,
                " while %d are online; start with mpirun --bind-to none, or --map-by slot:PE=%d (srun --cpus-per-task=%d), or ask for more "
                "cores",
                v->info[0].online, threads, threads);
    else
        fprintf(f, "; they will wait for each other: use fewer ranks, or fewer threads (parallel.threads)");
}

static lt_status write_text(const lt_comm *c, const rank_info *info, int threads, char **text) {
    size_t bytes = 0;
    int warned = 0;
    char *out = NULL;
    FILE *f = open_memstream(&out, &bytes);
    LT_CHECK(f, LT_ERR_NOMEM, "cannot allocate memory for the description of %d ranks", c->size);
    fprintf(f, "%d rank%s on %d node%s, ", c->size, c->size > 1 ? "s" : "", c->n_nodes, c->n_nodes > 1 ? "s" : "");
    if (c->tp) fprintf(f, "tp %d x dp %d, ", c->tp, c->size / c->tp);
    fprintf(f, "%d thread%s a rank", threads, threads > 1 ? "s" : "");
    for (int first = 0; first < c->size;) {
        node_view v = view_node(c, info, first);
        print_node(f, &v);
        first = v.end;
    }
    /* the first node that has it speaks for all */
    for (int first = 0; first < c->size;) {
        const lt_cores *set;
        int ranks = 0;
        node_view v = view_node(c, info, first);
        if (!info[first].omp_binds && find_overload(&v, threads, &set, &ranks) && warned++ == 0) print_warning(f, &v, threads, set, ranks);
        first = v.end;
    }
    if (warned > 1) fprintf(f, " (and so on %d more node%s)", warned - 1, warned > 2 ? "s" : "");
    bool failed = ferror(f) != 0;
    failed = fclose(f) != 0 || failed;
    if (failed) free(out);
    LT_CHECK(!failed, LT_ERR_NOMEM, "cannot allocate memory for the description of %d ranks", c->size);
    *text = out;
    return LT_OK;
}

lt_status lt_comm_describe(lt_comm *c, int threads, char **text) {
    rank_info mine, *all = NULL;
    char *out = NULL;
    lt_status st = lt_agree(c, lt_calloc(&all, c->size, sizeof *all, "the layout of ranks"));
    if (st != LT_OK) goto done;
    read_mine(c, &mine);
    lt_allgather_host(c, &mine, sizeof mine, all);
    st = lt_agree(c, write_text(c, all, threads > 0 ? threads : 1, &out));
    if (st == LT_OK)
        *text = out;
    else
        free(out);
done:
    free(all);
    return st;
}
