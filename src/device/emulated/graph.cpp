/* Recorded work.  A recording is nodes with what each comes after; a launch is one piece of its stream that runs them in an order drawn at random. */
#include "device/emulated/queue.h"
#include "device/emulated/table.h"

#include <algorithm>
#include <new>

namespace lt_emu {

void record_node(lt_stream *s, work run, size_t also_after) {
    node n = {std::move(run), {}, s->lane};
    if (s->last) n.after.push_back(s->last - 1);
    if (also_after) n.after.push_back(also_after - 1);
    s->graph->nodes->push_back(std::move(n));
    s->last = s->graph->nodes->size();
}

static void take_part(lt_stream *s, lt_gpu_graph *g) {
    s->graph = g;
    s->lane = g->lanes.size();
    s->last = 0;
    g->lanes.push_back(RACE ? next_lane() : 0);
    g->forked.push_back(s);
}

lt_status graph_join(lt_stream *s, lt_gpu_event *e) {
    if (!s->graph) take_part(s, e->graph);
    LT_CHECK(s->graph == e->graph, LT_ERR_CUDA, "CUDA (emulated): a recorded stream waits for an event of another recording");
    record_node(
        s, [](uint32_t) { return DONE; }, e->node);
    return LT_OK;
}

lt_status capture_begin(lt_stream *s) {
    gate g;
    LT_EMU_ENTER("capture_begin");
    LT_TRY(check_stream(s, "capture_begin"));
    LT_CHECK(!s->graph, LT_ERR_CUDA, "CUDA (emulated): the stream is being recorded already");
    lt_gpu_graph *made = new (std::nothrow) lt_gpu_graph{};
    LT_CHECK(made, LT_ERR_NOMEM, "cannot allocate a graph");
    made->nodes = std::make_shared<std::vector<node>>();
    take_part(s, made);
    return LT_OK;
}

static bool joined(const lt_gpu_graph *g, const lt_stream *s) {
    if (!s->last) return true;
    for (const node &n : *g->nodes)
        if (n.lane != s->lane && std::find(n.after.begin(), n.after.end(), s->last - 1) != n.after.end()) return true;
    return false;
}

lt_status capture_end(lt_stream *s, lt_gpu_graph **out) {
    gate g;
    LT_EMU_ENTER("capture_end");
    LT_TRY(check_stream(s, "capture_end"));
    LT_CHECK(s->graph && s->lane == 0, LT_ERR_CUDA, "CUDA (emulated): capture_end on a stream that did not begin a recording");
    lt_gpu_graph *made = s->graph;
    bool all = true;
    for (lt_stream *f : made->forked) {
        all = all && (f == s || joined(made, f));
        f->graph = nullptr;
        f->last = 0;
    }
    made->forked.clear();
    if (!all) delete made;
    LT_CHECK(all, LT_ERR_CUDA, "CUDA (emulated): a stream that joined the recording is not waited for at its end");
    *out = made;
    return LT_OK;
}

/* One launch under way. */
struct run_state {
    std::shared_ptr<std::vector<node>> nodes;
    std::vector<uint32_t> op;
    std::vector<bool> done;
    size_t left;
};

static progress run_node(run_state *r) {
    const std::vector<node> &nodes = *r->nodes;
    size_t n = nodes.size(), first = draw((uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        size_t k = (first + i) % n;
        bool ready = !r->done[k];
        for (size_t d : nodes[k].after) ready = ready && r->done[d];
        if (!ready) continue;
        progress p = nodes[k].run(r->op[k]);
        if (p == STUCK) continue;
        if (p == DONE) {
            r->done[k] = true;
            r->left--;
        }
        return r->left ? FURTHER : DONE;
    }
    return STUCK;
}

lt_status graph_launch(lt_gpu_graph *graph, lt_stream *s) {
    gate g;
    counts.launches++;
    LT_EMU_ENTER("graph_launch");
    LT_TRY(check_stream(s, "graph_launch"));
    size_t n = graph->nodes->size();
    if (!n) return LT_OK;
    for (const auto &f : graph->at_launch) f();
    auto state = std::make_shared<run_state>(run_state{graph->nodes, std::vector<uint32_t>(n), std::vector<bool>(n), n});
    clock_join(&s->known, host_knows);
    std::vector<clock> known(n, s->known);
    clock all = s->known;
    for (size_t k = 0; k < n; k++) {
        const node &at = (*graph->nodes)[k];
        for (size_t d : at.after) clock_join(&known[k], known[d]);
        state->op[k] = op_new(graph->lanes[at.lane], &known[k]);
        clock_join(&all, known[k]);
    }
    enqueue(s, [state](uint32_t) { return run_node(state.get()); });
    clock_join(&s->known, all);
    return LT_OK;
}

void graph_destroy(lt_gpu_graph *graph) {
    gate g;
    delete graph;
}

} // namespace lt_emu
