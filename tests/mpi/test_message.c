// TEST np: 1 2 4  rooms: train  labels: mpi  timeout: 60  ops: guard cuda-emulated
/* The message of a step over tensor- and data-parallel ranks: the bank's gradients and partial ones are summed over all ranks, what a tensor-parallel group
 * holds in common (prompt rows, direct gradients, losses) over data-parallel ranks only.  Control: without clearing the common part, it counts tp times. */
#define LT_TEST_MPI
#include "lt_test.h"

#include "train/message_impl.h"

#include <stdlib.h>

enum { KV = 40, PROMPT = 24, PARTIAL = 33, DIRECT = 17 };

/* What a rank puts at element i of the message: common to its tensor-parallel group, or its own. */
static float common(int dp_rank, int64_t i) { return (float)((dp_rank + 1) * 100 + i % 7); }
static float own(int rank, int64_t i) { return (float)((rank + 1) * 10 + i % 5); }

typedef struct seen {
    float *all; /* host [n] of the sums */
    lt_message m;
    const float *partial, *direct; /* where the parameters' gradients lie, as offsets are checked */
} seen;

static void step(lt_grid *g, const lt_ctx *c, lt_tuner *t, bool clear, seen *s) {
    lt_tuner *const tuner[] = {t};
    lt_message *m = &s->m;
    CHECK_OK(lt_run_impl_message_init(m, c, tuner, 1, KV, PROMPT));
    CHECK_OK(lt_run_impl_message_connect(m, g->world, tuner, 1));
    CHECK_OK(lt_run_impl_message_clear(m));
    float *mine = calloc((size_t)m->n, sizeof *mine);
    s->all = calloc((size_t)m->n, sizeof *mine);
    for (int64_t i = 0; i < m->n; i++) mine[i] = i < m->d_prompt ? own(g->rank, i) : common(g->dp_rank, i);
    CHECK_OK(lt_ctx_upload(c, m->data, mine, (size_t)m->n * sizeof *mine));
    if (clear && g->tp_rank != 0) CHECK_OK(lt_run_impl_message_clear_common(m));
    for (int f = 0; f < LT_FLAG_COUNT; f++) m->flag[f] = f == LT_FLAG_STOP && g->rank == g->size - 1;
    CHECK_OK(lt_run_impl_message_flags(m, false));
    CHECK_OK(c->ops->wait(c, NULL));
    lt_allreduce(m->buf, 0, m->n, c->stream);
    CHECK_OK(lt_run_impl_message_tell(m));
    CHECK_OK(lt_ctx_download(c, s->all, m->data, (size_t)m->n * sizeof *mine));
    free(mine);
}

static void check(lt_grid *g, const lt_ctx *c, bool clear) {
    lt_tuner t = {.n_params = 3,
                  .param = {{.value = {.n_dims = 1, .dim = {8}}, .row1 = 8}, /* its gradient is no part of the message */
                            {.value = {.n_dims = 1, .dim = {PARTIAL}}, .row1 = PARTIAL, .direct = true, .partial = true},
                            {.value = {.n_dims = 1, .dim = {DIRECT}}, .row1 = DIRECT, .direct = true}}};
    seen s = {0};
    int64_t wrong[2] = {0};
    step(g, c, &t, clear, &s);
    CHECK_INT(s.m.n, KV + PARTIAL + PROMPT + DIRECT + LT_TAIL_PER_TRIAL + LT_FLAG_COUNT);
    CHECK_INT(t.param[1].grad - s.m.data, KV);
    CHECK_INT(t.param[2].grad - s.m.data, KV + PARTIAL + PROMPT);
    CHECK(!t.param[0].grad);
    for (int64_t i = 0; i < s.m.n - LT_FLAG_COUNT; i++) {
        float sum = 0;
        bool shares = i < KV + PARTIAL;
        for (int r = 0; shares && r < g->size; r++) sum += own(r, i);
        for (int d = 0; !shares && d < g->dp_size; d++) sum += common(d, i);
        wrong[!shares] += s.all[i] != sum;
    }
    CHECK_INT(wrong[0], 0);
    if (clear || g->tp_size == 1)
        CHECK_INT(wrong[1], 0);
    else
        CHECK_INT(wrong[1], s.m.n - LT_FLAG_COUNT - KV - PARTIAL); /* control: every one of them */
    CHECK_INT((int)lt_message_flag(&s.m, LT_FLAG_STOP), 1);
    CHECK_INT((int)lt_message_flag(&s.m, LT_FLAG_FAILED), 0);
    if (clear) CHECK_NEAR(lt_message_told(&s.m, 0)[LT_TAIL_LOSS], s.all[s.m.tail], 0);
    lt_run_impl_message_fini(&s.m);
    free(s.all);
}

int main(int argc, char **argv) {
    lt_comm *world = NULL;
    CHECK_OK(lt_comm_init(&argc, &argv, &world));
    lt_ctx c = {.ops = lt_ops_by_name(getenv("LT_OPS")), .threads = 1, .compute = LT_F32};
    CHECK_OK(c.ops->ctx_init(&c));
    for (int tp = 1; tp <= lt_comm_size(world); tp *= 2) {
        lt_grid g;
        CHECK_OK(lt_grid_create(world, tp, &g));
        check(&g, &c, true);
        check(&g, &c, false);
        lt_grid_destroy(&g);
    }
    c.ops->ctx_fini(&c);
    int rc = test_end();
    lt_comm_fini(&world);
    return rc;
}
