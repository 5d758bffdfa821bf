/* Copies, fills, launches: what stands in streams.
 *
 * A copy from or to pinned memory reads and writes it when its turn comes, late as a rule.  Pageable memory is read when copy() is called, and a copy to it waits. */
#include "device/emulated/launch.h"
#include "device/emulated/queue.h"
#include "device/emulated/shadow.h"
#include "device/emulated/table.h"

#include <cstdlib>
#include <cstring>

namespace lt_emu {

struct rows {
    char *dst;
    const char *src;
    size_t dst_pitch, src_pitch, row_bytes;
    int64_t n;
};

static void move(const rows &r) {
    for (int64_t i = 0; i < r.n; i++) memmove(r.dst + (size_t)i * r.dst_pitch, r.src + (size_t)i * r.src_pitch, r.row_bytes);
}

static bool is_pinned(const void *p) {
    memory_kind kind;
    (void)room(p, &kind);
    return kind == MEMORY_PINNED;
}

/* The host's side of a copy is not device memory, and if pinned then all of it. */
static void check_host(const char *what, const void *p, size_t pitch, size_t row_bytes, int64_t n) {
    memory_kind kind;
    size_t left = room(p, &kind), need = (size_t)(n - 1) * pitch + row_bytes;
    if (kind == MEMORY_DEVICE) found("%s of a copy is device memory, not the host's (%p)", what, p);
    if (kind == MEMORY_PINNED && left < need)
        found("%s of a copy goes past the end of pinned memory: %zu bytes, %zu are there", what, need, left);
}

static lt_status enqueue_copy(lt_stream *s, lt_gpu_dir dir, const rows &r, bool *waits) {
    bool from_device = dir != LT_GPU_TO_DEVICE, to_device = dir != LT_GPU_TO_HOST;
    if (to_device)
        (void)fits("the destination of a copy", r.dst, r.dst_pitch, r.row_bytes, r.n);
    else
        check_host("the destination", r.dst, r.dst_pitch, r.row_bytes, r.n);
    if (from_device)
        (void)fits("the source of a copy", r.src, r.src_pitch, r.row_bytes, r.n);
    else
        check_host("the source", r.src, r.src_pitch, r.row_bytes, r.n);
    LT_EMU_ALIVE();
    rows later = r;
    std::shared_ptr<char> staged;
    *waits = !to_device && !is_pinned(r.dst);
    if (!from_device && !is_pinned(r.src)) {
        staged = std::shared_ptr<char>(static_cast<char *>(malloc(r.row_bytes * (size_t)r.n)), free);
        LT_CHECK(staged, LT_ERR_NOMEM, "cannot allocate %zu bytes for a copy", r.row_bytes * (size_t)r.n);
        move({staged.get(), r.src, r.row_bytes, r.src_pitch, r.row_bytes, r.n});
        later.src = staged.get();
        later.src_pitch = r.row_bytes;
    }
    LT_CHECK(!s->graph || (!*waits && !staged), LT_ERR_CUDA, "CUDA (emulated): a copy of pageable memory cannot be recorded");
    enqueue(s, [later, staged, from_device, to_device](uint32_t op) {
        if (from_device) shadow_bulk(later.src, later.src_pitch, later.row_bytes, later.n, false, op, "a copy");
        move(later);
        if (to_device) shadow_bulk(later.dst, later.dst_pitch, later.row_bytes, later.n, true, op, "a copy");
        return DONE;
    });
    return LT_OK;
}

lt_status copy(lt_stream *s, lt_gpu_dir dir, void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t row_bytes, int64_t n) {
    bool waits = false;
    mark end;
    clock known;
    {
        gate g;
        int64_t *bytes[] = {&counts.bytes_to_device, &counts.bytes_to_host, &counts.bytes_on_device};
        counts.copies++;
        *bytes[dir] += (int64_t)row_bytes * n;
        LT_EMU_ENTER("copy");
        LT_TRY(check_stream(s, "copy"));
        LT_CHECK(row_bytes && n > 0 && (n == 1 || (dst_pitch >= row_bytes && src_pitch >= row_bytes)), LT_ERR_CUDA,
                 "CUDA (emulated): invalid argument of a copy: %lld rows of %zu bytes, pitches %zu and %zu", (long long)n, row_bytes,
                 dst_pitch, src_pitch);
        LT_TRY(
            enqueue_copy(s, dir, {static_cast<char *>(dst), static_cast<const char *>(src), dst_pitch, src_pitch, row_bytes, n}, &waits));
        end = end_of(s);
        if (RACE) known = s->known;
    }
    if (!waits) return LT_OK;
    LT_TRY(wait_for(end));
    clock_join(&host_knows, known);
    return LT_OK;
}

lt_status fill(lt_stream *s, void *p, int byte, size_t bytes) {
    gate g;
    LT_EMU_ENTER("fill");
    LT_TRY(check_stream(s, "fill"));
    (void)fits("fill", p, 0, bytes, 1);
    LT_EMU_ALIVE();
    enqueue(s, [=](uint32_t op) {
        memset(p, byte, bytes);
        shadow_bulk(p, 0, bytes, 1, true, op, "a fill");
        return DONE;
    });
    return LT_OK;
}

static lt_status check_launch(const launch_args &l, const void *const *pointers, size_t n) {
    size_t threads = (size_t)l.block.x * l.block.y * l.block.z;
    const lt_gpu_info *info;
    (void)device_open(&info);
    LT_CHECK(info, LT_ERR_CUDA, "CUDA (emulated): %s is launched and no device is open", l.name);
    LT_CHECK(
        threads && threads <= 1024 && l.block.z <= 64 && l.grid.x && l.grid.y && l.grid.z && l.grid.x <= 0x7FFFFFFFu && l.grid.y <= 65535 &&
            l.grid.z <= 65535 && l.shared <= info->smem_block,
        LT_ERR_CUDA,
        "CUDA (emulated): invalid configuration argument (cudaErrorInvalidConfiguration) in %s: grid (%u, %u, %u), block (%u, %u, %u), %zu "
        "bytes of shared memory",
        l.name, l.grid.x, l.grid.y, l.grid.z, l.block.x, l.block.y, l.block.z, l.shared);
    for (size_t i = 0; i < n; i++) {
        memory_kind kind = MEMORY_DEVICE;
        char text[200];
        if (!pointers[i]) continue;
        (void)room(pointers[i], &kind);
        if (kind == MEMORY_DEVICE || kind == MEMORY_MANAGED || is_end(pointers[i])) continue;
        found("kernel %s is given %p, which is not device memory (%s)", l.name, pointers[i], describe(pointers[i], text, sizeof text));
        return lost();
    }
    return LT_OK;
}

lt_status launch(const launch_args &l, lt_stream *s, const void *const *pointers, size_t n) {
    gate g;
    counts.launches++;
    LT_EMU_ENTER("launch");
    LT_TRY(check_stream(s, l.name));
    LT_TRY(check_launch(l, pointers, n));
    std::shared_ptr<char> params(static_cast<char *>(aligned_alloc(64, (l.bytes + 63) / 64 * 64)), free);
    LT_CHECK(params, LT_ERR_NOMEM, "cannot allocate the arguments of a kernel");
    memcpy(params.get(), l.params, l.bytes);
    launch_args later = l;
    later.params = params.get();
    enqueue(s, [later, params](uint32_t op) {
        shadow_kernel(op);
        run_grid(later);
        return DONE;
    });
    return LT_OK;
}

} // namespace lt_emu
