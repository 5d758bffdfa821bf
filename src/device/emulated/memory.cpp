/* Addresses of the emulated device.
 *
 * Allocations are whole pages of a reserved range, each with a page behind it that nobody may touch; addresses are never used twice, so that what was freed
 * stays unreadable.  An allocation ends at the end of its last page (up to 256-byte alignment); the bytes around it are filled, and looked at after kernels. */
#include "device/emulated/emulated_impl.h"

#include "base/mem.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <sys/mman.h>
#include <vector>

namespace lt_emu {

static const size_t PAGE = 4096, ALIGN = 256;
static const unsigned char POISON = 0xFF, GUARD = 0xA5;

struct allocation {
    char *p;
    size_t bytes;
    char *pages; /* p lies in the first */
    size_t n_pages;
    const char *what;
};

struct range {
    char *base;
    size_t bytes, used;
    std::vector<allocation> live; /* by address */
};
static range device = {nullptr, (size_t)256 << 30, 0, {}}, managed = {nullptr, (size_t)64 << 30, 0, {}},
             pinned = {nullptr, (size_t)64 << 30, 0, {}};
static size_t on_device, device_bytes = (size_t)4 << 30;

static lt_status take(range *r, size_t bytes, const char *what, void **p) {
    if (!r->base) {
        void *base = mmap(nullptr, r->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        LT_CHECK(base != MAP_FAILED, LT_ERR_NOMEM, "cannot reserve addresses for an emulated GPU");
        r->base = static_cast<char *>(base);
        r->used = PAGE;
    }
    size_t inner = (bytes + ALIGN - 1) / ALIGN * ALIGN, n = (inner + PAGE - 1) / PAGE;
    LT_CHECK(r->used + (n + 1) * PAGE <= r->bytes, LT_ERR_NOMEM, "an emulated GPU is out of addresses");
    char *pages = r->base + r->used, *q = pages + n * PAGE - inner;
    LT_CHECK(mprotect(pages, n * PAGE, PROT_READ | PROT_WRITE) == 0, LT_ERR_NOMEM, "cannot allocate %zu bytes for an emulated GPU", bytes);
    r->used += (n + 1) * PAGE;
    memset(pages, GUARD, (size_t)(q - pages));
    memset(q, POISON, bytes);
    memset(q + bytes, GUARD, inner - bytes);
    r->live.push_back({q, bytes, pages, n, what});
    *p = q;
    return LT_OK;
}

static allocation *holder(range *r, const void *p) {
    const char *q = static_cast<const char *>(p);
    auto it = std::upper_bound(r->live.begin(), r->live.end(), q, [](const char *x, const allocation &a) { return x < a.p; });
    if (it == r->live.begin()) return nullptr;
    --it;
    return q < it->p + it->bytes ? &*it : nullptr;
}

static bool give(range *r, void *p) {
    allocation *a = holder(r, p);
    if (!a || a->p != p) return false;
    (void)mmap(a->pages, a->n_pages * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    r->live.erase(r->live.begin() + (a - r->live.data()));
    return true;
}

size_t room(const void *p, memory_kind *kind) {
    range *const all[] = {&device, &managed, &pinned};
    static const memory_kind kinds[] = {MEMORY_DEVICE, MEMORY_MANAGED, MEMORY_PINNED};
    for (int i = 0; i < 3; i++) {
        const allocation *a = holder(all[i], p);
        if (kind) *kind = a ? kinds[i] : MEMORY_NONE;
        if (a) return (size_t)(a->p + a->bytes - static_cast<const char *>(p));
    }
    return 0;
}

bool fits(const char *what, const void *p, size_t pitch, size_t row_bytes, int64_t rows) {
    memory_kind kind;
    size_t left = room(p, &kind), need = rows > 0 ? (size_t)(rows - 1) * pitch + row_bytes : 0;
    if (kind != MEMORY_DEVICE && kind != MEMORY_MANAGED)
        found("%s: %p is not device memory", what, p);
    else if (left < need)
        found("%s: %zu bytes from %p go past the end of the allocation, which has %zu there", what, need, p, left);
    else
        return true;
    return false;
}

static bool all_guard(const char *from, const char *to) {
    while (from < to && (unsigned char)*from == GUARD) from++;
    return from == to;
}

void check_guards(const char *name) {
    for (range *r : {&device, &managed})
        for (const allocation &a : r->live) {
            const char *end = a.pages + a.n_pages * PAGE;
            bool before = !all_guard(std::max(a.pages, a.p - 64), a.p);
            if (!before && all_guard(a.p + a.bytes, end)) continue;
            found("kernel %s: a write %s an allocation of %zu bytes for %s", name, before ? "before" : "past the end of", a.bytes, a.what);
            return;
        }
}

lt_status alloc(size_t bytes, const char *what, void **p) {
    char want[32], left[32];
    counts.allocs++;
    LT_EMU_ALIVE();
    LT_CHECK(bytes <= device_bytes - on_device, LT_ERR_NOMEM,
             "GPU 0 (emulated GPU): cannot allocate %s of device memory for %s; %s are free", lt_bytes_str(want, (double)bytes), what,
             lt_bytes_str(left, (double)(device_bytes - on_device)));
    LT_TRY(take(&device, bytes, what, p));
    on_device += bytes;
    return LT_OK;
}

lt_status alloc_managed(size_t bytes, void **p) {
    LT_EMU_ALIVE();
    return take(&managed, bytes, "a test", p);
}

lt_status alloc_host(size_t bytes, const char *what, void **p) {
    counts.allocs++;
    LT_EMU_ALIVE();
    return take(&pinned, bytes, what, p);
}

void release(void *p) {
    const allocation *a = p ? holder(&device, p) : nullptr;
    if (a) on_device -= a->bytes;
    if (p && !give(&device, p) && !give(&managed, p) && !give(&pinned, p)) found("free of %p, which is not allocated", p);
}

lt_status memory_free(size_t *free_bytes, size_t *total) {
    *total = device_bytes;
    *free_bytes = device_bytes - on_device;
    return LT_OK;
}

} // namespace lt_emu
