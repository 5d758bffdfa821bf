/* Where the time of steps goes; see clocks_impl.h. */
#include "train/run_impl.h"

#include "base/log.h"

enum { FIRST_STEPS = 4, EVERY = 16 };

/* Room for the pieces of one pack through all layers, in two halves, forward and backward: q and kv, o, up, down; attention; a sum behind each branch. */
lt_status lt_run_impl_clocks_init(lt_run *r) {
    const lt_gpu *gpu = lt_model_ctx(r->model)->ops->gpu;
    int64_t m = lt_model_arch(r->model)->m;
    if (!gpu || r->purpose != LT_RUN_TRAIN) return LT_OK;
    const int64_t room[LT_TIMED_KINDS] = {
        [LT_TIMED_LINEAR] = 24 * m + 8, [LT_TIMED_ATTENTION] = 4 * m, [LT_TIMED_SUM] = 8 * m + 4, [LT_TIMED_MESSAGE] = 16};
    LT_TRY(lt_gpu_timer_create(gpu, room, &r->clocks.timer));
    lt_model_set_timer(r->model, r->clocks.timer);
    lt_comm_set_timer(r->clocks.timer);
    return LT_OK;
}

void lt_run_impl_clocks_fini(lt_run *r) {
    if (!r->clocks.timer) return;
    lt_comm_set_timer(NULL);
    lt_model_set_timer(r->model, NULL);
    lt_gpu_timer_destroy(&r->clocks.timer);
}

static double comm_seconds(const lt_run *r) {
    lt_comm_stats tp, world;
    lt_comm_get_stats(r->grid.tp, &tp);
    lt_comm_get_stats(r->grid.world, &world);
    return tp.seconds + world.seconds;
}

void lt_run_impl_clocks_begin(lt_run *r) {
    lt_run_clocks *c = &r->clocks;
    const lt_gpu *gpu = lt_model_ctx(r->model)->ops->gpu;
    c->now = lt_time_s();
    c->comm = comm_seconds(r);
    c->model = lt_model_get_times(r->model);
    if (gpu) c->gpu = *gpu->counts();
    c->timed = c->timer && (c->steps < FIRST_STEPS || c->steps % EVERY == 0);
    if (c->timed) lt_gpu_timer_switch(c->timer, true);
}

lt_status lt_run_impl_clocks_waited(lt_run *r) {
    lt_run_clocks *c = &r->clocks;
    if (!c->timed) return LT_OK;
    LT_TRY(lt_gpu_timer_read(c->timer, c->device));
    lt_gpu_timer_switch(c->timer, false);
    return LT_OK;
}

static void count_gpu(lt_gpu_counts *sum, const lt_gpu_counts *from, const lt_gpu_counts *to) {
    sum->launches += to->launches - from->launches;
    sum->products += to->products - from->products;
    sum->copies += to->copies - from->copies;
    sum->waits += to->waits - from->waits;
    sum->allocs += to->allocs - from->allocs;
    sum->asks += to->asks - from->asks;
    sum->bytes_to_device += to->bytes_to_device - from->bytes_to_device;
    sum->bytes_to_host += to->bytes_to_host - from->bytes_to_host;
    sum->bytes_on_device += to->bytes_on_device - from->bytes_on_device;
}

/* Seconds of a step of so many in each kind of work. */
static void of_step(lt_run *r, double seconds, double kind[LT_TIMED_KINDS]) {
    lt_run_clocks *c = &r->clocks;
    if (!c->timer) {
        lt_model_times model = lt_model_get_times(r->model);
        kind[LT_TIMED_LINEAR] = model.linear - c->model.linear;
        kind[LT_TIMED_ATTENTION] = model.attention - c->model.attention;
        kind[LT_TIMED_SUM] = 0;
        kind[LT_TIMED_MESSAGE] = comm_seconds(r) - c->comm; /* all of them */
        return;
    }
    for (int k = 0; k < LT_TIMED_KINDS; k++) {
        if (c->timed) c->share[k] = seconds > 0 ? c->device[k] / seconds : 0;
        kind[k] = c->share[k] * seconds;
    }
}

void lt_run_impl_clocks_count(lt_run *r, double data_s, int64_t tokens, int64_t sentences) {
    lt_run_clocks *c = &r->clocks;
    lt_run_rates *sum = &r->rates;
    const lt_gpu *gpu = lt_model_ctx(r->model)->ops->gpu;
    double seconds = lt_time_s() - c->now, kind[LT_TIMED_KINDS];
    of_step(r, seconds, kind);
    double comm = kind[LT_TIMED_SUM] + kind[LT_TIMED_MESSAGE];
    c->steps++;
    sum->steps++;
    sum->tokens += tokens;
    sum->sentences += sentences;
    sum->seconds += seconds;
    sum->comm_s += comm;
    sum->data_s += data_s;
    sum->compute_s += seconds - comm - data_s;
    sum->linear_s += kind[LT_TIMED_LINEAR];
    sum->attention_s += kind[LT_TIMED_ATTENTION];
    if (gpu) count_gpu(&sum->gpu, &c->gpu, gpu->counts());
}
